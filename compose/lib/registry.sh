# shellcheck shell=bash
# A real registry, for the tests of private images. Only its program is taken out of the
# distribution's package: installing that would start a registry for everybody, without a password.

ensure_registry() {
    PATH=$PATH:$STATE/bin
    if have docker-registry; then
        return
    fi
    if ! have apt-get; then
        say "there is no docker-registry and no apt-get: tests with a real registry are skipped"
        return
    fi
    say "unpacking docker-registry into $STATE/bin, for tests with a real registry"
    apt_update
    in_temp_folder unpack_registry ||
        say "apt-get could not fetch docker-registry: tests with a real registry are skipped"
}

unpack_registry() {
    apt_unpack "$1" docker-registry || return
    mkdir -p "$STATE/bin"
    cp "$1/usr/bin/docker-registry" "$STATE/bin/docker-registry"
}
