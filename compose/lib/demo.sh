# shellcheck shell=bash
# The main job, shown: a game is started on this machine as a cloud-gaming node would do it, survives
# the death of the engine that watches it, and is stopped. Every command is printed before it runs,
# every claim is checked, nothing is left behind. Needs Docker, the environment and the images.
#
# All of it is private to one folder: its own state, so its own NATS server and realm; its own node
# configuration; its own data root. Pipelines of the user who runs this are never met.

DEMO=
DEMO_NODE=
GAME=
ASSETS=

main_job() {
    DEMO=$(mktemp -d "${TMPDIR:-/tmp}/gamepipeline-demo.XXXXXX")
    DEMO_NODE=demo-${DEMO##*.}
    # Ids of pipelines are names of containers: others on this machine may use plain ones.
    GAME=game-7-${DEMO##*.}
    ASSETS=assets-${DEMO##*.}
    trap clean_up_demo EXIT
    enter_demo
    configure_node
    start_assets
    start_game
    look_at_game
    kill_the_engine
    watch_goes_on
    stop_everything
    check_nothing_is_left
    heading "the demo is over, everything it claimed was true"
}

heading() { printf '\n=== %s\n' "$*"; }

# Prints a command as it could be typed, then runs it.
show() {
    local word line=
    for word in "$@"; do
        [[ $word =~ ^[A-Za-z0-9_./:=@%+,-]+$ ]] || word="'$word'"
        line+=" $word"
    done
    printf '\n$%s\n' "$line"
    "$@"
}

# claim TEXT COMMAND...: what must be true now.
claim() {
    local text=$1
    shift
    "$@" || die "this should be true and is not: $text"
    printf 'checked: %s\n' "$text"
}

# eventually SECONDS COMMAND...: tries it until it succeeds.
eventually() {
    local limit=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $limit ] || return 1
        sleep 0.5
    done
}

# --- the jobs ------------------------------------------------------------------------------

enter_demo() {
    PATH=$ROOT/.venv/bin:$PATH
    unset NATS_URL NATS_CONTEXT
    export XDG_STATE_HOME=$DEMO/state XDG_CONFIG_HOME=$DEMO/config
    export GAMEPIPELINE_CONFIG=$DEMO/node.toml
    mkdir -p "$DEMO"/{state,config,games}
}

configure_node() {
    heading "a node: what it is called, what steps may have on it, which variables it offers"
    cat >"$DEMO/node.toml" <<END_OF_CONFIG
[node]
name = "$DEMO_NODE"

[variables]
env_file = "$DEMO/node.env"
expose = ["PLATFORM_ROOT", "ASSET_URL"]

[policy]    # without the next line, no step could touch a folder of this machine
host_paths = [{path = "$DEMO/games", mode = "rw", create = true}]
END_OF_CONFIG
    printf 'PLATFORM_ROOT=%s\nASSET_URL=\n' "$DEMO/games" >"$DEMO/node.env"
    show cat "$GAMEPIPELINE_CONFIG"
}

start_assets() {
    heading "an asset server, itself a service of a pipeline"
    show gamepipeline run examples/asset-server.yaml --id "$ASSETS" --arg PORT=0
    local port
    port=$(service_port "$ASSETS")
    # From inside a container, the node is host.docker.internal: the example says so.
    printf 'PLATFORM_ROOT=%s\nASSET_URL=http://host.docker.internal:%s\n' "$DEMO/games" "$port" >"$DEMO/node.env"
    show cat "$DEMO/node.env"
}

start_game() {
    heading "the game: fetch its platform, unpack it, start it, done when players can connect"
    GAME_PORT=$(free_port)
    show gamepipeline validate examples/start-platform.yaml
    show gamepipeline run examples/start-platform.yaml --id "$GAME" \
        --arg PLATFORM=arcade --arg INSTANCE=7 --arg "PORT=$GAME_PORT"
    claim "the pipeline completed and its service is ready" service_is ready
}

look_at_game() {
    heading "a player connects"
    show_page
    claim "the page names platform and instance" game_answers
    heading "what is known about it"
    show gamepipeline status "$GAME"
    gamepipeline status "$GAME" -o json >"$DEMO/before.json"
    show gamepipeline services
    heading "all of that is a fold over its events"
    show gamepipeline events "$GAME" --type ServiceReady --type PipelineCompleted
}

kill_the_engine() {
    heading "the engine that watches the game dies"
    local pids
    mapfile -t pids < <(engines)
    claim "an engine is there" test ${#pids[@]} -gt 0
    show kill -KILL "${pids[@]}"
    claim "no engine is left" eventually 5 no_engine
    show_page
    claim "the game runs on" game_answers
    gamepipeline status "$GAME" -o json >"$DEMO/after.json"
    claim "its status is to the letter what it was" cmp -s "$DEMO/before.json" "$DEMO/after.json"
}

watch_goes_on() {
    heading "a new engine takes up the watch (the dead one's sign of life lasts up to 10 s)"
    show gamepipeline services
    claim "a new engine is there" eventually 60 engine_is_back
    heading "proof: the game crashes, Docker starts it again, and the new engine records it"
    # By its name: the program is a child of the container's small init process.
    show docker exec "gp-$GAME.game.1" killall -9 httpd
    claim "the restart is on record" eventually 30 restart_is_recorded
    show gamepipeline events "$GAME" --type ServiceRestarted
    claim "players can connect again" eventually 15 game_answers
}

stop_everything() {
    heading "the end"
    show gamepipeline stop "$GAME" --reason "the demo is over"
    show gamepipeline stop "$ASSETS" --reason "the demo is over"
    show gamepipeline status "$GAME"
    claim "the game is stopped" service_is stopped
    claim "its port is free again" nobody_answers
}

check_nothing_is_left() {
    heading "nothing is left behind"
    claim "no container" nothing_of ps -aq
    claim "no volume" nothing_of volume ls -q
    claim "no network" nothing_of network ls -q
    claim "no process" eventually 60 no_process
}

# --- questions -----------------------------------------------------------------------------

# Calls `$1 COMMAND...` with a command that fetches the game's page.
with_page() {
    if have curl; then
        "$@" curl -sS --max-time 5 "http://127.0.0.1:$GAME_PORT/"
    else
        "$@" python -c "import urllib.request as r; print(r.urlopen('http://127.0.0.1:$GAME_PORT/', timeout=5).read().decode())"
    fi
}

show_page() { with_page show; }

page() { with_page command; }

game_answers() { page 2>/dev/null | grep -q 'arcade, instance 7'; }

nobody_answers() { ! page >/dev/null 2>&1; }

free_port() {
    python -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
}

service_port() {
    gamepipeline services -o json | python -c '
import json, sys

found = [one for one in json.load(sys.stdin) if one["id"] == sys.argv[1]]
print(found[0]["endpoints"][0]["host_port"])' "$1"
}

service_is() {
    gamepipeline status "$GAME" -o json | python -c '
import json, sys

status = json.load(sys.stdin)
sys.exit((status["status"], status["steps"][-1]["service"]["status"]) != ("completed", sys.argv[1]))' "$1"
}

restart_is_recorded() { [ -n "$(gamepipeline events "$GAME" --type ServiceRestarted)" ]; }

nothing_of() { [ -z "$(docker "$@" --filter "label=io.gamepipeline.node=$DEMO_NODE")" ]; }

# Processes of this demo: those that have its state folder in their environment, or their home in it
# as the NATS server has. The list of all processes is taken first, so that it holds none of those that look.
processes() {
    local folder
    for folder in /proc/[0-9]*; do
        ! grep -qszE "^(XDG_STATE_HOME|HOME)=$DEMO/state(/|$)" "$folder/environ" || printf '%s\n' "${folder#/proc/}"
    done
}

engines() {
    local pid
    for pid in $(processes); do
        ! grep -qsz '^gamepipeline_engine.cli$' "/proc/$pid/cmdline" || printf '%s\n' "$pid"
    done
}

no_engine() { [ -z "$(engines)" ]; }

# Looking starts one where none is.
engine_is_back() {
    gamepipeline services >/dev/null && ! no_engine
}

no_process() { [ -z "$(processes)" ]; }

# --- the end, however it came ----------------------------------------------------------------

clean_up_demo() {
    local code=$? pid ids
    trap - EXIT
    # Again until nobody is left: an engine that lives a moment longer starts its server anew.
    while ! no_process; do
        for pid in $(processes); do
            kill -KILL "$pid" 2>/dev/null || true
        done
    done
    for kind in container volume network; do
        mapfile -t ids < <(ids_of "$kind")
        [ ${#ids[@]} -eq 0 ] || docker "$kind" rm -f "${ids[@]}" >/dev/null 2>&1 ||
            docker "$kind" rm "${ids[@]}" >/dev/null || true
    done
    # What the steps wrote belongs to root.
    rm -rf "$DEMO" 2>/dev/null || docker run --rm --network none -v "$DEMO:/demo" "$BUSYBOX_IMAGE" rm -rf /demo/games
    rm -rf "$DEMO"
    if [ "$code" -ne 0 ]; then
        say "the demo failed (exit $code); what it had started is removed"
    fi
    exit "$code"
}

ids_of() {
    local all=()
    [ "$1" != container ] || all=(-a)
    docker "$1" ls -q "${all[@]}" --filter "label=io.gamepipeline.node=$DEMO_NODE"
}
