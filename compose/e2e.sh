#!/bin/sh
# Runs the integration tests on the first stack that works, and says which and why. Called by make.
#   STACK=compose|embedded  IMAGES=registry|packages  BROKER=sqlite  KEEP=1  WORKERS=4  E2E_ARGS="..."
# Exit codes: as `python -m runner` (0 passed, 1 a test failed, 3 the stack did not stand, 4 nothing ran), and
# 97 no such stack here, 98 the runner said it passed but left no sentinel, 130 interrupted.
set -u
cd "$(dirname "$0")/.." || exit 97
. compose/engine.sh

embedded() {
  [ "${STACK-}" != compose ] || { say "STACK=compose: $1"; exit 97; }
  say "stack: embedded, processes on this machine ($1)"
  unset E2E_ARGS  # the target passes them itself
  exec make --no-print-directory e2e-embedded
}

[ "${STACK-}" != embedded ] || embedded 'STACK=embedded'
has_engine || embedded "$engine_fix"
begun=$(now)
get_images "${IMAGES-}" || { [ $? = 2 ] && exit 2; embedded "$images_why"; }
choose_files
images_s=$(($(now) - begun))
say "stack: compose ($images_why), broker: $broker_why"

: "${COMPOSE_PROJECT_NAME:=fetchbox-$(id -u)-$$}"
export COMPOSE_PROJECT_NAME DELIVER_TO=
mkdir -p artifacts
rm -rf artifacts/services artifacts/tests artifacts/SENTINEL artifacts/junit.xml
code=130

leave() {
  trap - EXIT INT TERM
  if [ "${KEEP-}" = 1 ]; then
    keep_stack
    say "KEEP=1: project $COMPOSE_PROJECT_NAME stays. make shell, make logs; make down takes it away."
  else
    compose --profile iggy down --volumes --remove-orphans --timeout 3 >/dev/null 2>&1
  fi
  exit "$code"
}
trap leave EXIT
trap 'code=130; exit 130' INT TERM

# show: what the runner says, without the engine's own progress. No sed: not every one passes lines on at once.
erase=$(printf '\033[2K')
show() {
  while IFS= read -r line; do
    while [ "$line" != "${line#"$erase"}" ]; do line=${line#"$erase"}; done
    case $line in
      ' Container '* | ' Network '* | ' Volume '* | 'Attaching to '* | 'Aborting on '* | 'runner-1 exited '*) continue ;;
      'runner-1  | '*) line=${line#'runner-1  | '} ;;
      'runner-1  |') line= ;;
    esac
    printf '%s\n' "$line"
  done
}

started=$(now)
compose build --quiet >artifacts/build.log 2>&1 || { cat artifacts/build.log >&2; code=3; exit 3; }
build_s=$(($(now) - started))

# The runner is named: its end alone ends the run, and all others stay up for their evidence.
started=$(now)
compose up --no-build --exit-code-from runner runner 2>&1 | tee artifacts/up.log | show
code=$(docker inspect -f '{{.State.ExitCode}}' "$(compose ps -aq runner 2>/dev/null)" 2>/dev/null) || code=3
[ "$code" != 3 ] || tail -n 5 artifacts/up.log >&2
run_s=$(($(now) - started))

started=$(now)
sh compose/evidence.sh "$files"
say "times: images $images_s s, build $build_s s, stack and tests $run_s s, evidence $(($(now) - started)) s, in all $(($(now) - begun)) s"

if [ "$code" = 0 ] && [ ! -s artifacts/SENTINEL ]; then
  say 'the runner ended with 0, but artifacts/SENTINEL is not there: no tests were counted'
  code=98
fi
[ ! -s artifacts/SENTINEL ] || cut -d ' ' -f 2- artifacts/SENTINEL
