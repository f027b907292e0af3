#!/bin/sh
# What the scripts beside this one share. Needs sh and docker, nothing else. Source it from the repository root.

say() { printf '%s\n' "$*" >&2; }
now() { date +%s; }

# has_engine: whether an engine answers; otherwise says in `engine_fix` what to do about it.
has_engine() {
  engine_fix=
  command -v docker >/dev/null 2>&1 || { engine_fix='no docker command: install Docker (Debian, as root: .ci/engine)'; return 1; }
  docker info >/dev/null 2>&1 || { engine_fix='no Docker engine answers: start it, or see `docker info`'; return 1; }
  docker compose version >/dev/null 2>&1 || { engine_fix='no compose plugin: install docker-compose-plugin (Debian, as root: .ci/engine)'; return 1; }
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# read_pins: the pinned images of compose/.env, unless the environment names others.
read_pins() {
  given_ca=${CA_BUNDLE-}
  given_iggy=${IGGY_IMAGE-} given_minio=${MINIO_IMAGE-} given_wiremock=${WIREMOCK_IMAGE-} given_python=${PYTHON_IMAGE-}
  . compose/.env
  CA_BUNDLE=$given_ca
  IGGY_IMAGE=${given_iggy:-$IGGY_IMAGE}
  MINIO_IMAGE=${given_minio:-$MINIO_IMAGE}
  WIREMOCK_IMAGE=${given_wiremock:-$WIREMOCK_IMAGE}
  PYTHON_IMAGE=${given_python:-$PYTHON_IMAGE}
  : "${PYTHON_STANDIN:=fetchbox-images/python:$DEBIAN_SUITE}"
  : "${MINIO_STANDIN:=fetchbox-images/minio:local}" "${WIREMOCK_STANDIN:=fetchbox-images/wiremock:local}"
}

has_official() { has_image "$PYTHON_IMAGE" && has_image "$MINIO_IMAGE" && has_image "$WIREMOCK_IMAGE"; }
has_standins() { has_image "$PYTHON_STANDIN" && has_image "$MINIO_STANDIN" && has_image "$WIREMOCK_STANDIN"; }
use_standins() { PYTHON_IMAGE=$PYTHON_STANDIN MINIO_IMAGE=$MINIO_STANDIN WIREMOCK_IMAGE=$WIREMOCK_STANDIN; }

# pull IMAGE: pulls it unless it is there.
pull() {
  has_image "$1" && return
  started=$(now)
  docker pull -q "$1" >/dev/null 2>"${TMPDIR:-/tmp}/fetchbox-pull.$$" || {
    say "images: $1 cannot be pulled: $(tail -n 1 "${TMPDIR:-/tmp}/fetchbox-pull.$$" | cut -c1-160)"
    rm -f "${TMPDIR:-/tmp}/fetchbox-pull.$$"
    return 1
  }
  rm -f "${TMPDIR:-/tmp}/fetchbox-pull.$$"
  say "images: $1 pulled in $(($(now) - started)) s"
}

# can_build: whether compose/images/build.sh can work here.
can_build() { command -v debootstrap >/dev/null 2>&1 || { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }; }

# find_ca: a CA bundle that this machine needs for its package registries goes to the builds as a secret.
find_ca() {
  [ -z "${CA_BUNDLE-}" ] || return 0
  for file in "${PIP_CERT-}" "${SSL_CERT_FILE-}" "${REQUESTS_CA_BUNDLE-}" "${NODE_EXTRA_CA_CERTS-}"; do
    if [ -n "$file" ] && [ -s "$file" ]; then export CA_BUNDLE="$file"; return; fi
  done
  unset CA_BUNDLE
}

# get_images WHICH: registry, packages, or empty for the first that works. Sets images_why.
get_images() {
  read_pins
  find_ca
  which=$1
  if [ -z "$which" ]; then
    if has_official; then which=registry; images_why='the official images are on the engine'
    elif has_standins; then which=packages; images_why='images built from packages are on the engine'
    elif pull "$WIREMOCK_IMAGE"; then which=registry; images_why='a container registry answers'
    elif can_build; then which=packages; images_why='no container registry answers; building images from packages (about 7 minutes, once)'
    else images_why='no container registry answers, and building images needs debootstrap (or root on Debian)'; return 1
    fi
  else
    images_why="IMAGES=$which"
  fi
  case $which in
    registry) pull "$PYTHON_IMAGE" && pull "$MINIO_IMAGE" && pull "$WIREMOCK_IMAGE" || return 1 ;;
    packages) CA_FILE=${CA_BUNDLE-} sh compose/images/build.sh >&2 && use_standins || return 1 ;;
    *) say "IMAGES=$which: there are registry and packages"; return 2 ;;
  esac
  export IGGY_IMAGE MINIO_IMAGE WIREMOCK_IMAGE PYTHON_IMAGE
}

# choose_files: the compose files. Without Iggy's image, the overlay with the SQLite broker.
choose_files() {
  files="-f compose/docker-compose.test.yml"
  if [ "${BROKER-}" = sqlite ]; then
    files="$files -f compose/docker-compose.sqlite.yml"
    broker_why='SQLite, as asked for by BROKER=sqlite'
  elif pull "$IGGY_IMAGE"; then
    broker_why="Iggy ($IGGY_IMAGE)"
  else
    files="$files -f compose/docker-compose.sqlite.yml"
    broker_why="SQLite: $IGGY_IMAGE is not on this engine and cannot be pulled"
    export REMARK="$broker_why"
  fi
}

# The stack that stays up: its project, compose files and images, to be sourced.
kept=artifacts/.stack
keep_stack() {
  mkdir -p artifacts
  printf 'export COMPOSE_PROJECT_NAME=%s\nfiles="%s"\nexport IGGY_IMAGE=%s MINIO_IMAGE=%s WIREMOCK_IMAGE=%s PYTHON_IMAGE=%s\n' \
    "$COMPOSE_PROJECT_NAME" "$files" "$IGGY_IMAGE" "$MINIO_IMAGE" "$WIREMOCK_IMAGE" "$PYTHON_IMAGE" >$kept
}

# compose ARGUMENTS...: docker compose with the chosen files.
compose() {
  # shellcheck disable=SC2086  # files is a list of words
  COMPOSE_MENU=0 docker compose $files "$@"
}
