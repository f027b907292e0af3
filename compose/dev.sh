#!/bin/sh
# The compose stack to work with: it stays up, with the code of this folder. Called by make.
#   dev.sh up | shell [COMMAND...] | watch [PYTEST ARGUMENTS...] | load [OPTIONS...] | logs [SERVICE...] | down
# Takes the stack that `KEEP=1 make e2e` or an earlier call has left, else starts one of its own.
set -eu
cd "$(dirname "$0")/.."
. compose/engine.sh
has_engine || { say "$engine_fix"; exit 97; }

start() {
  if [ -s $kept ]; then . ./$kept; return; fi
  get_images "${IMAGES-}" || { say "$images_why"; exit 97; }
  choose_files
  files="$files -f compose/docker-compose.dev.yml"
  export COMPOSE_PROJECT_NAME="${COMPOSE_PROJECT_NAME:-fetchbox-dev-$(id -u)}"
  say "stack: compose ($images_why), broker: $broker_why"
  keep_stack
  compose build --quiet
  compose up --detach --no-build --scale runner=0 2>artifacts/up.log || { cat artifacts/up.log >&2; exit 3; }
  say "API: http://$(compose port api 8080)/docs   MinIO: http://$(compose port minio 9001)   make down ends it"
}

# in_runner COMMAND...: in the runner that is up, else in one of its own.
in_runner() {
  running=$(compose ps -q --status running runner 2>/dev/null)
  if [ -n "$running" ]; then
    docker exec $terminal "$running" python3 -m runner "$@"
  else
    compose run --rm --no-deps $([ -n "$terminal" ] || echo -T) --name "$COMPOSE_PROJECT_NAME-shell-$$" runner "$@"
  fi
}

terminal=
[ ! -t 0 ] || terminal=-it
verb=$1
shift
case $verb in
  up) start ;;
  shell) start; in_runner shell "$@" ;;
  watch) start; in_runner watch "$@" ;;
  load)
    start
    # Results belong to the caller; what is not set here is not passed on.
    RUNNER_UID=$(id -u) RUNNER_GID=$(id -g) compose run --rm --no-deps $([ -n "$terminal" ] || echo -T) \
      -e RATE -e DURATION -e RESOURCES -e SIZE -e STAGES -e PROXIED -e ERRORS -e VERIFY -e DRAIN -e SEED -e OUT=/artifacts/load \
      --entrypoint python3 runner -m tests.load "$@" ;;
  logs)
    [ -s $kept ] || { say 'no stack is up: make shell, or KEEP=1 make e2e STACK=compose'; exit 1; }
    . ./$kept
    compose logs --tail 200 --follow "$@" ;;
  down)
    [ -s $kept ] || { say 'no stack is up'; exit 0; }
    . ./$kept
    compose --profile iggy down --volumes --remove-orphans --timeout 3
    rm -f $kept ;;
  *) say "dev.sh: up, shell, watch, load, logs or down, not $verb"; exit 2 ;;
esac
