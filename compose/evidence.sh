#!/bin/sh
# Collects what only the engine knows into artifacts/services/<container>/, before anything is torn down, and has the
# report made again with it. Needs sh and docker. Usage: evidence.sh "COMPOSE FILE OPTIONS" (project in the environment)
set -u
files=$1
compose() {
  # shellcheck disable=SC2086  # files is a list of words
  docker compose $files "$@"
}

collect() {
  service=$(docker inspect -f '{{index .Config.Labels "com.docker.compose.service"}}' "$1")
  number=$(docker inspect -f '{{index .Config.Labels "com.docker.compose.container-number"}}' "$1")
  case $service in worker) service=worker-$number ;; esac
  folder=artifacts/services/$service
  mkdir -p "$folder"
  docker logs --timestamps "$1" >"$folder/log.txt" 2>&1
  docker inspect "$1" >"$folder/inspect.json"
  docker inspect -f '{{with .State.Health}}{{.Status}}, {{.FailingStreak}} failures in a row
{{range .Log}}{{.Start}} exit {{.ExitCode}}: {{.Output}}
{{end}}{{else}}no health check{{end}}' "$1" >"$folder/health.log"
}

for container in $(compose ps -aq); do collect "$container" & done
wait
runner=$(compose ps -aq runner)
# Both ways by the engine: whoever runs this owns what it leaves, whatever user the container has.
docker cp artifacts/services "$runner:/results/" >/dev/null 2>&1 &&
  compose run --rm --no-deps -T runner report 2>artifacts/report.log >/dev/null ||
  { echo 'evidence: the report could not be made again:' >&2; tail -n 3 artifacts/report.log >&2; }
docker cp "$runner:/results/." artifacts/ >/dev/null || echo 'evidence: no results in the runner' >&2
