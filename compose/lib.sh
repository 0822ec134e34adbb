# shellcheck shell=bash
# What all commands in compose/ share. Sourced, never run:
#   lib.sh          output, root rights, packages of the distribution, timing of phases
#   lib/docker.sh   finds a Docker engine, or installs and starts one
#   lib/images.sh   the images that tests and examples run
#   lib/registry.sh a registry for the tests
#   lib/python.sh   uv and the environment of the checkout
#
# Every command may be run again at any time: each function looks first and does what is missing.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# How this command was called, in case it has to start itself again with other rights.
ENTRY=("$0" "$@")
# Outlives the checkout, because an engine that we started does, too.
STATE=${XDG_STATE_HOME:-${HOME:-/root}/.local/state}/gamepipeline/compose
# dockerd, iptables and others live where the PATH of a user does not reach.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# shellcheck source=compose/lib/docker.sh
source "$ROOT/compose/lib/docker.sh"
# shellcheck source=compose/lib/images.sh
source "$ROOT/compose/lib/images.sh"
# shellcheck source=compose/lib/registry.sh
source "$ROOT/compose/lib/registry.sh"
# shellcheck source=compose/lib/python.sh
source "$ROOT/compose/lib/python.sh"

say() { printf '>>> %s\n' "$*" >&2; }

# Ends the command: what is wrong, and in further arguments what to do about it.
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit 3
}

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        # Not `sudo -n`: a person may type a password; without a terminal sudo fails by itself.
        sudo -- "$@"
    else
        die "this needs root: $*" "Run it as root, or install sudo."
    fi
}

# Installs packages of the distribution: apt_install REASON PACKAGE...
apt_install() {
    local reason=$1
    shift
    have apt-get || die "missing: $* ($reason)" \
        "Only Debian and Ubuntu are set up automatically; install it and run this again."
    say "installing with apt-get, because $reason: $*"
    apt_update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >&2 ||
        die "apt-get could not install: $*"
}

# Unpacks a package into a folder without installing it: apt_unpack FOLDER PACKAGE
apt_unpack() {
    # apt would download as the user _apt, who cannot write to a folder of ours.
    (cd "$1" && apt-get download -qq -o APT::Sandbox::User="$(id -un)" "$2" >&2) || return
    dpkg-deb -x "$1/$2"_*.deb "$1"
}

# Refreshes the package lists once per run; old lists may still do, so a failure only is said.
APT_UPDATED=
apt_update() {
    [ -z "$APT_UPDATED" ] || return 0
    as_root apt-get update -qq -o DPkg::Lock::Timeout=300 >&2 ||
        say "apt-get update failed; going on with the lists that are there"
    APT_UPDATED=yes
}

# --- phases: named, timed, all of them run, one result -------------------------------------

PHASES=()
FAILED_PHASES=0

# Runs a command as a phase: phase NAME COMMAND...
# A failed one is noted and the next ones run, so that one run shows everything that is wrong.
# The command must be an external one: bash ignores `set -e` inside a function called here.
phase() {
    local name=$1 start=$SECONDS code=0
    shift
    say "$name: $*"
    "$@" || code=$?
    local result="ok"
    if [ "$code" -ne 0 ]; then
        result="FAILED (exit $code)"
        FAILED_PHASES=$((FAILED_PHASES + 1))
    fi
    PHASES+=("$(printf '%-14s %5ds  %s' "$name" $((SECONDS - start)) "$result")")
}

phase_summary() {
    say "phases:"
    printf '    %s\n' "${PHASES[@]}" >&2
    printf '    %-14s %5ds  %s\n' "all" "$SECONDS" "$FAILED_PHASES failed" >&2
    [ "$FAILED_PHASES" -eq 0 ]
}
