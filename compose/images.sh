#!/bin/sh
# Gets every image of the compose stack and says what it does and how long each takes. Called by `make images`.
set -u
cd "$(dirname "$0")/.." || exit 1
. compose/engine.sh
has_engine || { say "$engine_fix"; exit 97; }
get_images "${IMAGES-}" || { say "images: $images_why"; exit 1; }
say "images: $images_why"
choose_files
say "images: broker: $broker_why"
for service in api runner; do
  started=$(now)
  compose build --quiet "$service" || exit 1
  say "images: $service built in $(($(now) - started)) s"
done
