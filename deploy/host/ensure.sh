#!/usr/bin/env bash
# Make sure that this host has what a make target needs. As root on Debian it installs what is missing; else it says what to
# install, in one line, and exits with 3.
set -euo pipefail

refresh_once() {
    if [ -z "${refreshed:-}" ]; then
        apt-get update -qq >&2
        refreshed=1
    fi
}

install_or_say() { # what is missing, Debian packages...
    local missing="$1"
    shift
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing $* ($missing is missing)" >&2
        refresh_once
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    else
        echo "$missing is missing: install it (Debian: apt-get install $*) and run this again" >&2
        exit 3
    fi
}

java_major() {
    local java="java"
    [ -z "${JAVA_HOME:-}" ] || java="$JAVA_HOME/bin/java"
    "$java" -version 2>&1 | sed -nE '1s/.*"([0-9]+).*/\1/p' || true
}

case "${1:-}" in
    python)
        command -v python3 >/dev/null 2>&1 || install_or_say "Python" python3
        if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
            echo "Python 3.10 or newer is needed, this is $(python3 -V 2>&1)" >&2
            exit 3
        fi
        python3 -c 'import ensurepip, venv' 2>/dev/null || install_or_say "Python's venv" python3-venv
        ;;
    java)
        if [ -n "${JAVA_HOME:-}" ] && [ -z "$(java_major)" ]; then
            echo "JAVA_HOME=$JAVA_HOME holds no Java that runs: correct it, or unset it to use the java on PATH" >&2
            exit 3
        fi
        major="$(java_major)"
        if [ -z "$major" ]; then
            install_or_say "Java 17" openjdk-17-jdk-headless
        elif [ "$major" -lt 17 ]; then
            echo "Java 17 is needed, this is Java $major: install it and set JAVA_HOME" >&2
            exit 3
        fi
        ;;
    maven)
        command -v mvn >/dev/null 2>&1 || install_or_say "Maven" maven
        ;;
    chromium)
        command -v chromium >/dev/null 2>&1 || install_or_say "Chromium" chromium fonts-dejavu-core
        ;;
    kerberos)
        export PATH="$PATH:/usr/sbin:/sbin"
        for program in krb5kdc kadmin.local kinit; do
            command -v "$program" >/dev/null 2>&1 || install_or_say "Kerberos" krb5-kdc krb5-admin-server krb5-user
        done
        # The Python package for it is compiled here, against the Python that is to load it.
        if ! command -v krb5-config >/dev/null 2>&1 || ! command -v gcc >/dev/null 2>&1; then
            install_or_say "what Kerberos for Python is compiled with" libkrb5-dev gcc libc6-dev
        fi
        headers="import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path('include'), 'Python.h').is_file())"
        "${2:-python3}" -c "$headers" || install_or_say "Python.h" python3-dev
        ;;
    faketime)
        compgen -G '/usr/lib/*/faketime/libfaketime.so.1' >/dev/null || install_or_say "libfaketime" libfaketime
        ;;
    *)
        echo "usage: ensure.sh python|java|maven|chromium|faketime|kerberos [PYTHON]" >&2
        exit 2
        ;;
esac
