#!/bin/bash
# The four jobs one after the other on the flights of 2013, then the report of the evaluation.
# demo.sh [flags of submit, such as --backend local or -q ml-queue]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
stamp="demo-$(date -u +%Y%m%dt%H%M%Sz)"
jobs="data_processing training evaluation prediction"

[ "${1:-}" = --backend ] && data=("$1" "$2") || data=()
./batch_submit.sh demo-data ${data[@]+"${data[@]}"} >/dev/null
for job in $jobs; do
    ./batch_submit.sh submit -t "$job" --run-id "$stamp-${job//_/-}" "$@"
done
echo "the report of the evaluation, and how to make those of the other three:" >&2
for job in $jobs; do
    [ "$job" = evaluation ] || echo "  ./batch_submit.sh report $stamp-${job//_/-}" >&2
done
./batch_submit.sh report "$stamp-evaluation" ${data[@]+"${data[@]}"}
