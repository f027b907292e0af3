#!/bin/sh
# Builds stand-ins for the pinned images from package registries only, for engines that reach no container
# registry: Debian packages (base), Go modules (MinIO), npm (WireMock). Skips what is up to date.
# Needs: root, debootstrap (installed by apt-get when absent), a Docker engine. Prints what it does and how long.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/../.env"
: "${PYTHON_STANDIN:=fetchbox-images/python:$DEBIAN_SUITE}"
: "${MINIO_STANDIN:=fetchbox-images/minio:local}"
: "${WIREMOCK_STANDIN:=fetchbox-images/wiremock:local}"
packages=ca-certificates,curl,python3,python3-pip,python3-venv
ca=${CA_FILE:-$here/no-ca.pem}

inputs_of() { docker image inspect -f '{{index .Config.Labels "fetchbox.inputs"}}' "$1" 2>/dev/null || true; }
digest_of() { cat "$@" | sha256sum | cut -c1-16; }
note() { printf 'images: %-28s %s\n' "$1" "$2"; }

# step NAME INPUTS COMMAND...: runs COMMAND unless image NAME was made from INPUTS already
step() {
  name=$1 inputs=$2
  shift 2
  if [ "$(inputs_of "$name")" = "$inputs" ]; then note "$name" "up to date"; return; fi
  started=$(date +%s)
  "$@" "$name" "$inputs"
  note "$name" "built in $(($(date +%s) - started)) s"
}

build_base() {
  command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq debootstrap >/dev/null; }
  root=$(mktemp -d)
  debootstrap --variant=minbase --include="$packages" "$DEBIAN_SUITE" "$root" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; rm -rf "$root"; exit 1; }
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" -c . | docker import --change "LABEL fetchbox.inputs=$2" --change 'ENV LANG=C.UTF-8' - "$1" >/dev/null
  rm -rf "$root" "$root.log"
}

build_image() {
  file=$1 arguments=$2
  # shellcheck disable=SC2086  # arguments is a list of words
  DOCKER_BUILDKIT=1 docker build --quiet --file "$here/$file.Dockerfile" --secret "id=ca,src=$ca" \
    --build-arg "BASE=$PYTHON_STANDIN" $arguments --label "fetchbox.inputs=$4" --tag "$3" "$here" >/dev/null
}

base_inputs=$(printf '%s' "$DEBIAN_SUITE $packages" | digest_of -)
step "$PYTHON_STANDIN" "$base_inputs" build_base
step "$MINIO_STANDIN" "$(printf '%s' "$base_inputs $MINIO_MODULE $MC_MODULE" | digest_of - "$here/minio.Dockerfile")" \
  build_image minio "--build-arg MINIO_MODULE=$MINIO_MODULE --build-arg MC_MODULE=$MC_MODULE"
step "$WIREMOCK_STANDIN" "$(printf '%s' "$base_inputs $WIREMOCK_NPM" | digest_of - "$here/wiremock.Dockerfile")" \
  build_image wiremock "--build-arg WIREMOCK_NPM=$WIREMOCK_NPM"
