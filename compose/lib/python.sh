# shellcheck shell=bash
# uv, and with it the environment of the checkout in .venv. Nothing is installed outside the
# checkout, so distributions that protect their Python from pip (PEP 668) are no obstacle.

TOOLS=$ROOT/.venv-tools
PYTHON_WANTED='>=3.11'
UV=

ensure_environment() {
    find_uv || install_uv
    say "environment: $UV sync"
    use_index_of_pip
    (cd "$ROOT" && "$UV" sync --quiet) || environment_failed
}

find_uv() {
    local candidate
    for candidate in uv "$TOOLS/bin/uv" "${HOME:-/root}/.local/bin/uv"; do
        # A shim of a version manager may be found and still not run.
        if "$candidate" --version >/dev/null 2>&1; then
            UV=$candidate
            return
        fi
    done
    return 1
}

install_uv() {
    have python3 || apt_install "uv is installed with it" python3 python3-venv
    # Debian splits what venv needs off into a package.
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        apt_install "uv gets an environment of its own" python3-venv
    say "installing uv with pip into $TOOLS"
    python3 -m venv --clear "$TOOLS"
    "$TOOLS/bin/python" -m pip install --quiet 'uv>=0.8' || die "pip could not install uv"
    UV=$TOOLS/bin/uv
}

# uv does not read the configuration of pip. On a machine that reaches packages through a mirror,
# that is where the mirror stands.
use_index_of_pip() {
    local index cert
    if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        index=$(pip_setting index-url)
        [ -z "$index" ] || export UV_DEFAULT_INDEX=$index
    fi
    cert=$(pip_setting cert)
    if [ -z "${SSL_CERT_FILE:-}" ] && [ -f "$cert" ]; then
        export SSL_CERT_FILE=$cert
    fi
}

# The value that pip uses: the environment wins over its files.
pip_setting() {
    local variable=PIP_${1^^}
    variable=${variable//-/_}
    if [ -n "${!variable:-}" ]; then
        printf '%s' "${!variable}"
    else
        python3 -m pip config get "global.$1" 2>/dev/null || true
    fi
}

environment_failed() {
    local advice="The lines above are from uv."
    "$UV" python find --no-project "$PYTHON_WANTED" >/dev/null 2>&1 ||
        advice="Python 3.11 or newer is needed, $(python3 --version) is there, and uv could not fetch one."
    die "uv could not make the environment" "$advice"
}
