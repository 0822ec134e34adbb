# shellcheck shell=bash
# Finds a Docker engine, or installs and starts one. Rules: an engine that runs is used as it is
# and never restarted; DOCKER_HOST is honoured; whatever is installed is announced first; of the
# engine we start, pid and start time are recorded, and only that process is ever ended.

DOCKER_WAIT=90
DOCKER_RECORD=$STATE/engine
DOCKER_LOG=$STATE/dockerd.log
DOCKER_SOCKET=/var/run/docker.sock
DOCKER_PIDFILE=/var/run/docker.pid
CONTAINERD_PIDFILE=/var/run/docker/containerd/containerd.pid
CONTAINERD_SOCKET=/run/containerd/containerd.sock

docker_answers() { timeout 15 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# Makes sure that `docker` reaches an engine. May start this command again with more rights.
ensure_docker() {
    if have docker && docker_answers; then
        return
    fi
    if [ -n "${DOCKER_HOST:-}" ]; then
        have docker || die "DOCKER_HOST is set, but there is no docker command" \
            "Install the Docker CLI, or unset DOCKER_HOST to let this command set up an engine."
        die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST" \
            "Start it, or unset DOCKER_HOST to let this command set up an engine."
    fi
    if ! have docker && socket_answers; then
        fetch_client
    elif ! running dockerd; then
        install_docker
        running dockerd || start_docker
    fi
    wait_for_docker
}

# Does an engine listen that we only lack the client for? Installing a second engine would take
# its socket away, so this is asked without a client.
socket_answers() {
    [ -S "$DOCKER_SOCKET" ] && have python3 && as_root python3 - "$DOCKER_SOCKET" <<'END' 2>/dev/null
import socket, sys

with socket.socket(socket.AF_UNIX) as engine:
    engine.settimeout(15)
    engine.connect(sys.argv[1])
    engine.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
    sys.exit(b" 200 " not in engine.recv(64))
END
}

# Takes the client out of the distribution's package without installing the engine beside it.
fetch_client() {
    say "a Docker engine answers, but there is no docker command: unpacking one into $STATE/bin"
    have apt-get || die "there is no docker command" "Install the Docker CLI."
    apt_update
    in_temp_folder unpack_client
    PATH=$STATE/bin:$PATH
    hash -r
}

unpack_client() {
    # Debian 13 has the client in a package of its own.
    apt_unpack "$1" docker-cli 2>/dev/null || apt_unpack "$1" docker.io ||
        die "apt-get could not fetch the Docker CLI"
    mkdir -p "$STATE/bin"
    cp "$1/usr/bin/docker" "$STATE/bin/docker"
}

install_docker() {
    if ! have dockerd || ! have docker; then
        # Debian 13 moved the client to a package of its own, which docker.io only recommends.
        local packages=(docker.io iptables)
        if have apt-cache && [ -n "$(apt-cache madison docker-cli 2>/dev/null)" ]; then
            packages+=(docker-cli)
        fi
        apt_install "no Docker engine is reachable" "${packages[@]}"
    elif ! have iptables; then
        apt_install "dockerd needs it for the network of containers" iptables
    fi
    # The shell may remember that there was no docker.
    hash -r
}

# --- starting ------------------------------------------------------------------------------

start_docker() {
    mkdir -p "$STATE"
    if [ -d /run/systemd/system ] && have systemctl; then
        say "starting the Docker engine: systemctl start docker"
        as_root systemctl start docker ||
            die "systemctl could not start docker" "See: journalctl -u docker"
        return
    fi
    remove_stale "$DOCKER_PIDFILE" dockerd
    remove_stale "$CONTAINERD_PIDFILE" containerd
    # dockerd takes the mere existence of this socket for a containerd of the system.
    if as_root test -S "$CONTAINERD_SOCKET" && ! running containerd; then
        say "removing $CONTAINERD_SOCKET: no containerd runs"
        as_root rm -f "$CONTAINERD_SOCKET"
    fi
    say "starting dockerd by hand, log: $DOCKER_LOG; 'bash compose/down' ends it"
    # A session of its own: neither Ctrl-C nor the end of this terminal reaches it.
    as_root setsid --fork nohup dockerd </dev/null >"$DOCKER_LOG" 2>&1 ||
        die "dockerd could not be run"
    # sudo and setsid leave before dockerd shows up in the process table.
    STARTED_DOCKER=yes
}
STARTED_DOCKER=

# Removes a pid file unless the process in it lives and is the named program. All of it as root:
# the folders of containerd are closed to others.
remove_stale() {
    local file=$1 program=$2 pid
    as_root test -e "$file" || return 0
    pid=$(as_root cat "$file" | tr -dc 0-9)
    if [ -n "$pid" ] && [ "$(program_of "$pid")" = "$program" ]; then
        return 0
    fi
    say "removing $file: process ${pid:-?} is no $program"
    as_root rm -f "$file"
}

wait_for_docker() {
    local limit=$((SECONDS + DOCKER_WAIT)) seen=
    until docker_answers; do
        if [ -S "$DOCKER_SOCKET" ] && ! [ -w "$DOCKER_SOCKET" ] && as_root docker version >/dev/null 2>&1; then
            record_docker
            use_docker_group
        fi
        if running dockerd; then
            seen=yes
        elif [ -n "$seen" ] || [ $SECONDS -ge $((limit - DOCKER_WAIT + 10)) ]; then
            docker_failed "dockerd has ended"
        fi
        [ $SECONDS -lt $limit ] || docker_failed "the Docker engine does not answer after $DOCKER_WAIT s"
        sleep 0.5
    done
    record_docker
    say "Docker engine $(docker version --format '{{.Server.Version}}') answers"
}

docker_failed() {
    if [ -n "$STARTED_DOCKER" ]; then
        say "last lines of $DOCKER_LOG:"
        tail -n 20 "$DOCKER_LOG" >&2
    fi
    die "$1" "If this is itself a container without the right to mount and to set up networks," \
        "it cannot run an engine: set DOCKER_HOST to one that runs elsewhere."
}

# The engine answers root and refuses this user: join the group that owns the socket, as Docker's
# own instructions say, and start again with it. `sg` works at once, without a new log-in.
use_docker_group() {
    local group user
    group=$(stat -c %G "$DOCKER_SOCKET")
    user=$(id -un)
    if [ -n "${GAMEPIPELINE_COMPOSE_AGAIN:-}" ] || [ "$group" = root ] || ! have sg; then
        die "the Docker engine refuses user $user" "Run this command as root."
    fi
    if ! id -nG "$user" | grep -qw -- "$group"; then
        say "adding $user to the group $group, which may use the Docker engine (as root could)"
        as_root usermod -aG "$group" "$user"
    fi
    say "starting again as a member of $group"
    export GAMEPIPELINE_COMPOSE_AGAIN=yes
    exec sg "$group" -c "$(printf '%q ' bash "${ENTRY[@]}")"
}

# --- whose engine it is --------------------------------------------------------------------

# Records pid and start time of the engine we started by hand. A pid alone may be somebody
# else's after a reboot; pid and start time together are one process.
record_docker() {
    [ -n "$STARTED_DOCKER" ] || return 0
    local pid
    pid=$(cat "$DOCKER_PIDFILE")
    printf '%s %s\n' "$pid" "$(start_time_of "$pid")" >"$DOCKER_RECORD"
    STARTED_DOCKER=
}

# Ends the engine if it is the process that we recorded. Refuses while containers run, as they
# would end with it; `force` overrides that.
stop_docker() {
    local pid start force=${1:-}
    if ! [ -e "$DOCKER_RECORD" ]; then
        say "no Docker engine was started by compose/; nothing to end"
        return
    fi
    read -r pid start <"$DOCKER_RECORD"
    if ! is_process "$pid" dockerd "$start"; then
        say "the Docker engine that compose/ started (pid $pid) is gone already"
        rm -f "$DOCKER_RECORD"
        return
    fi
    if [ "$force" != force ] && [ -n "$(as_root docker ps -q)" ]; then
        as_root docker ps >&2
        die "containers run on this engine and would end with it" \
            "Stop them first, or say: bash compose/down --force"
    fi
    say "ending the Docker engine that compose/ started (pid $pid)"
    # The kill of a shell: as a program it is in a package that may be missing.
    # shellcheck disable=SC2016  # the inner shell expands it
    as_root sh -c 'kill -TERM "$1"' sh "$pid"
    local limit=$((SECONDS + 60))
    while is_process "$pid" dockerd "$start"; do
        [ $SECONDS -lt $limit ] || die "dockerd (pid $pid) has not ended after 60 s"
        sleep 0.2
    done
    rm -f "$DOCKER_RECORD"
}

# --- processes, read from /proc: a minimal Debian has no ps --------------------------------

program_of() { cat "/proc/$1/comm" 2>/dev/null || true; }

# Field 22 of stat, counted after the name in brackets, which may contain spaces.
start_time_of() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    read -ra stat <<<"${stat##*) }"
    printf '%s' "${stat[19]}"
}

is_process() { [ "$(program_of "$1")" = "$2" ] && [ "$(start_time_of "$1")" = "$3" ]; }

# Is there a process of this name that can still do something? A zombie cannot.
running() {
    local folder stat
    for folder in /proc/[0-9]*; do
        [ "$(program_of "${folder#/proc/}")" = "$1" ] || continue
        stat=$(cat "$folder/stat" 2>/dev/null) || continue
        stat=${stat##*) }
        [ "${stat%% *}" = Z ] || return 0
    done
    return 1
}
