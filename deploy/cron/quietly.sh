#!/usr/bin/env bash
# Run a command: nothing is written when it succeeds, and all that it wrote when it fails. cron mails what a job writes, so
# this is mail on failure. (`chronic` of moreutils does the same where it is installed; this one also passes signals on.)
set -u

if [ $# -eq 0 ]; then
    echo "usage: quietly.sh COMMAND [ARGUMENT…]" >&2
    exit 2
fi
said="$(mktemp)" || exit 3
trap 'rm -f "$said"' EXIT

"$@" >"$said" 2>&1 &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP

# A signal ends `wait` early; what counts is the end of the command.
code=0
wait "$child" || code=$?
while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
done

if [ "$code" -ne 0 ]; then
    echo "exit code $code on $(uname -n) of: $*"
    cat "$said"
fi
exit "$code"
