#!/usr/bin/env bash
# Builds the image around an existing static worker and runs it. Docker, where it is, also builds the
# stage that compiles, whose base image comes from the network.
#   tests/packaging/container.sh WORKER
# Needs buildah; prints LEFT OUT for what it has to skip.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly WORDS='legal winner thank year wave sausage worth useful legal winner thank yellow'
readonly ADDRESS=allo1avgyh77ycn997ja45q5q8ss8y9mr424jwfcszc
readonly IMAGE=allora-worker-test
worker=$(realpath "$1")
work=$(mktemp -d)
chmod 755 "$work"
# Without root, the layers contain read-only folders and files of other users.
# shellcheck disable=SC2317 # why: the trap calls it
cleanup() {
    chmod -R u+rwx "$work" 2>/dev/null || true
    rm -rf "$work" 2>/dev/null || buildah unshare rm -rf "$work" 2>/dev/null || true
}
trap cleanup EXIT
export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot

left_out() {
    printf 'container: LEFT OUT: %s\n' "$*"
    exit 0
}
fail() {
    printf 'container: FAILED: %s\n' "$*" >&2
    exit 1
}
ours() { "$1" --root "$work/images" --runroot "$work/running" "${@:2}"; }

# run_it NAME CODE OUTPUT COMMAND...: the worker in the image must end with CODE and print OUTPUT.
run_it() {
    local name=$1 code=0 text
    text=$("${@:4}" 2>&1) || code=$?
    if ((code != $2)) || [[ $text != *"$3"* ]]; then fail "$name: exit code $code: $text"; fi
    printf 'container: ok: %s\n' "$name"
}

command -v buildah >/dev/null || left_out 'buildah is not installed'
"$worker" --version >/dev/null || fail "$worker does not run here"
mkdir "$work/context"
install -m 755 "$worker" "$work/context/allora-worker"
# A user without subordinate ids may be able to make a container, but not one with user 1000.
probe() {
    ours buildah from --name probe scratch &&
        ours buildah copy probe "$work/context/allora-worker" /allora-worker &&
        ours buildah run --user 1000:1000 probe -- /allora-worker --version
}
probe >/dev/null 2>"$work/why" || left_out "buildah can't run a container here: $(<"$work/why")"

ours buildah build --quiet --format docker --target prebuilt --file Dockerfile --tag "$IMAGE" \
    "$work/context" >/dev/null
echo 'container: ok: built around the worker'
if docker info >/dev/null 2>&1; then
    docker build --quiet --target worker --tag "$IMAGE" . >/dev/null
    run_it 'it compiles' 0 'allora-worker ' docker run --rm --read-only --cap-drop ALL \
        --security-opt no-new-privileges --network none "$IMAGE" --version
    docker image rm --force "$IMAGE" >/dev/null
else
    echo 'container: LEFT OUT: the stage that compiles: no Docker runs here'
fi

container=$(ours buildah from "$IMAGE")
settings=$(ours buildah inspect --format \
    '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}}' "$container")
[[ $settings == '1000:1000 [/allora-worker] [run]' ]] || fail "the image has: $settings"

printf '{"seed_phrase": "%s"}' "$WORDS" >"$work/config.json"
if ((EUID == 0)); then
    chmod 600 "$work/config.json"
    chown 1000:1000 "$work/config.json"
else
    # Without root, no file on the host belongs to user 1000 of the container.
    chmod 644 "$work/config.json"
    echo 'container: LEFT OUT: that the user inside can read a 0600 configuration, which needs root'
fi
mounted=$work/config.json:/data/config.json:ro
run_it 'it starts' 0 'allora-worker ' ours buildah run "$container" -- /allora-worker --version
run_it 'it reports a missing configuration' 3 'no configuration file' \
    ours buildah run "$container" -- /allora-worker run
run_it 'it reads the mounted configuration' 0 "$ADDRESS" \
    ours buildah run --volume "$mounted" "$container" -- /allora-worker address

printf '{}' >"$work/empty.json"
printf '%s\n' "$WORDS" >"$work/seed_phrase"
if ((EUID == 0)); then
    chmod 600 "$work/empty.json" "$work/seed_phrase"
    chown 1000:1000 "$work/empty.json" "$work/seed_phrase"
else
    chmod 644 "$work/empty.json" "$work/seed_phrase"
fi
run_it 'it reads the seed phrase from a secret' 0 "$ADDRESS" \
    ours buildah run --volume "$work/empty.json:/data/config.json:ro" \
    --volume "$work/seed_phrase:/run/secrets/seed_phrase:ro" \
    --env CREDENTIALS_DIRECTORY=/run/secrets "$container" -- /allora-worker address

if ! command -v podman >/dev/null; then
    echo 'container: LEFT OUT: running it as docker-compose.yml does: podman is not installed'
    exit 0
fi
# The options of docker-compose.yml. Machines differ in the control groups that podman can use: the
# first combination that can start a container is taken.
hardened=(--rm --read-only --cap-drop ALL --security-opt no-new-privileges --network none
    --ulimit nofile=1024:1024 --ulimit nproc=512:512)
podman_run() { ours podman "${podman[@]}" run "${hardened[@]}" "$@"; }
for options in '' '--cgroup-manager=cgroupfs' '--cgroup-manager=cgroupfs --runtime=runc'; do
    read -r -a podman <<<"$options"
    if podman_run "$IMAGE" --version >/dev/null 2>>"$work/why"; then
        run_it 'it runs read-only and without privileges' 0 "$ADDRESS" \
            podman_run --volume "$mounted" "$IMAGE" address
        exit 0
    fi
done
left_out "podman can't run it as docker-compose.yml does, on this machine: $(<"$work/why")"
