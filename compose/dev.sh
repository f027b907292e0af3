#!/bin/sh
# The compose stack to work with: it stays up, with the code of this folder. Called by make.
#   dev.sh up | shell [COMMAND...] | watch [PYTEST ARGUMENTS...] | load [OPTIONS...] | load-diff | logs [SERVICE...] | down
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

# load FOLDER [OPTIONS...]: a load from a container beside the stack; results belong to the caller.
load() {
  folder=$1
  shift
  mkdir -p "$folder"
  watch_engine "$folder/engine.txt"
  code=0
  # What is not set here is not passed on.
  RUNNER_UID=$(id -u) RUNNER_GID=$(id -g) compose run --rm --no-deps $([ -n "$terminal" ] || echo -T) \
    -e RATE -e DURATION -e RESOURCES -e SIZE -e STAGES -e PROXIED -e ERRORS -e VERIFY -e DRAIN -e SEED -e SLO -e JOB_TYPES \
    -e UPSTREAM -e OUT="/$folder" -e FETCHBOX_TEST_ENGINE_STATS="/$folder/engine.txt" \
    --entrypoint python3 runner -m tests.load "$@" || code=$?
  kill "$watching" 2>/dev/null || :
  rm -f "$folder/engine.txt"
  return "$code"
}

# watch_engine FILE: writes what the engine tells of the CPU and memory of store, broker and peers, until $watching or this script ends.
watch_engine() {
  ids=$(for service in minio iggy peers; do
    docker ps -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter "label=com.docker.compose.service=$service"
  done)
  # Many short calls: one that goes on does not end at SIGTERM, nor with this script.
  # shellcheck disable=SC2086  # ids is a list of words
  while kill -0 $$ 2>/dev/null; do
    docker stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}' $ids || break
  done >"$1" 2>/dev/null &
  watching=$!
}

# own_version: API and workers from this folder again, however the comparison ended.
own_version() {
  git worktree remove --force .cache/load-base 2>/dev/null || :
  compose up --detach --no-build --no-deps --quiet-pull api worker 2>artifacts/up.log || cat artifacts/up.log >&2
  rm -rf .cache/load-ours
}

# compare_versions: slices of a load with API and workers from BASE and from this folder, interleaved; the rest of the stack stays.
compare_versions() {
  : "${BASE:?BASE=<git ref> is needed}" "${PAIRS:=6}" "${DURATION:=10}"
  export DURATION
  slices=artifacts/load/slices
  rm -rf $slices
  trap own_version EXIT
  trap 'exit 130' INT TERM
  git worktree remove --force .cache/load-base 2>/dev/null || :
  git worktree add --quiet --detach .cache/load-base "$BASE"
  # A copy: what is edited meanwhile would start API and workers anew.
  rm -rf .cache/load-ours && mkdir -p .cache/load-ours && cp -R fetchbox .cache/load-ours/
  number=0
  while [ $number -lt $((PAIRS * 2)) ]; do
    case $((number % 4)) in 0 | 3) version=base ;; *) version=ours ;; esac
    FETCHBOX_SOURCE=../.cache/load-$version/fetchbox compose up --detach --no-build --no-deps --quiet-pull api worker 2>artifacts/up.log ||
      { cat artifacts/up.log >&2; break; }
    folder=$(printf '%s/%02d-%s' $slices $number $version)
    mkdir -p "$folder"
    code=0
    load "$folder" >"$folder/out.txt" || code=$?
    say "$version: $(tail -n 1 "$folder/out.txt")"
    [ $code -lt 4 ] && [ $code != 2 ] || { cat "$folder/out.txt" >&2; break; }
    number=$((number + 1))
  done
  RUNNER_UID=$(id -u) RUNNER_GID=$(id -g) compose run --rm --no-deps -T --entrypoint python3 runner -m tests.load.diff --read /$slices
}

terminal=
[ ! -t 0 ] || terminal=-it
verb=$1
shift
case $verb in
  up) start ;;
  shell) start; in_runner shell "$@" ;;
  watch) start; in_runner watch "$@" ;;
  load) start; load artifacts/load "$@" ;;
  load-diff) start; compare_versions ;;
  logs)
    [ -s $kept ] || { say 'no stack is up: make shell, or KEEP=1 make e2e STACK=compose'; exit 1; }
    . ./$kept
    compose logs --tail 200 --follow "$@" ;;
  down)
    [ -s $kept ] || { say 'no stack is up'; exit 0; }
    . ./$kept
    compose --profile iggy down --volumes --remove-orphans --timeout 3
    rm -f $kept ;;
  *) say "dev.sh: up, shell, watch, load, load-diff, logs or down, not $verb"; exit 2 ;;
esac
