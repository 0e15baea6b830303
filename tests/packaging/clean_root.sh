#!/usr/bin/env bash
# Runs install.sh in a system root of its own, with this machine's programs and a systemctl that
# records its arguments. Needs root, for mounting; without it, prints LEFT OUT.
#   tests/packaging/clean_root.sh WORKER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly WORDS='legal winner thank year wave sausage worth useful legal winner thank yellow'
readonly ADDRESS=allo1avgyh77ycn997ja45q5q8ss8y9mr424jwfcszc

if [[ ${2:-} != inside ]]; then
    if ((EUID != 0)) || ! why=$(unshare --mount --propagation private mount -t tmpfs none /mnt 2>&1); then
        printf 'clean root: LEFT OUT: mounting needs root: %s\n' "${why:-}"
        exit 0
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    unshare --mount --propagation private "$0" "$(realpath "$1")" inside "$work"
    exit
fi

root=$3/root
name=''
fail() {
    printf 'clean root: FAILED: %s: %s\n' "$name" "$*" >&2
    cat "$root/../output" "$root/tmp/asked" >&2 || true
    exit 1
}

mkdir "$root"
mount -t tmpfs none "$root"
mkdir -p "$root"/{dev,etc,proc,run/systemd/system,tmp/from,usr}
mount --bind /usr "$root/usr"
mount -t tmpfs none "$root/usr/local"
mount --bind /dev "$root/dev"
for folder in bin lib lib64 sbin; do
    if [[ -L /$folder ]]; then
        cp -a "/$folder" "$root/$folder"
    elif [[ -d /$folder ]]; then
        mkdir "$root/$folder"
        mount --bind "/$folder" "$root/$folder"
    fi
done
cp "$1" "$root/tmp/from/allora-worker"
cp install.sh allora-worker.service config.json "$root/tmp/from"
mkdir "$root/tmp/tools"
cat >"$root/tmp/tools/systemctl" <<'END'
#!/bin/bash
echo "$*" >>/tmp/asked
[[ $* != *is-active* || -e /tmp/active ]]
END
chmod +x "$root/tmp/tools/systemctl"
printf '%s\n' "$WORDS" >"$root/tmp/words"

# try CALLS ARGUMENT...: runs install.sh, which must call systemctl with exactly CALLS.
try() {
    local wanted=$1
    shift
    : >"$root/tmp/asked"
    env -i PATH=/tmp/tools:/usr/bin:/usr/sbin chroot "$root" setsid /tmp/from/install.sh "$@" \
        </dev/null >"$root/../output" 2>&1 || fail "exit code $?"
    [[ $(<"$root/tmp/asked") == "$wanted" ]] || fail "asked: $(<"$root/tmp/asked")"
}
must_say() { [[ $(<"$root/../output") == *"$1"* ]] || fail "it does not say: $1"; }

name='installs and enables'
try $'daemon-reload\nenable allora-worker' --seed-phrase-file /tmp/words
must_say "$ADDRESS"
must_say 'starts at boot'
[[ $(stat -c '%a %u' "$root/etc/allora-worker/seed_phrase") == '600 0' ]] || fail 'mode or owner'
echo "clean root: ok: $name"

name='the installed worker finds its configuration and its key'
said=$(chroot "$root" /usr/local/bin/allora-worker address) || fail "$said"
[[ $said == "$ADDRESS" ]] || fail "$said"
echo "clean root: ok: $name"

name='upgrades and leaves a stopped service alone'
try $'daemon-reload\n--quiet is-active allora-worker'
must_say 'is not running and was not started'
echo "clean root: ok: $name"

name='upgrades and restarts a running service'
: >"$root/tmp/active"
try $'daemon-reload\n--quiet is-active allora-worker\ntry-restart allora-worker'
must_say 'was restarted'
echo "clean root: ok: $name"

name='enables the service after an interrupted installation'
rm "$root/tmp/active"
: >"$root/etc/allora-worker/.enable_owed"
try $'daemon-reload\nenable allora-worker\n--quiet is-active allora-worker'
try $'daemon-reload\n--quiet is-active allora-worker'
echo "clean root: ok: $name"

name='refuses a worker that does not run here'
cp "$root/usr/local/bin/allora-worker" "$root/tmp/kept"
printf '\177ELF' >"$root/tmp/from/broken"
chmod +x "$root/tmp/from/broken"
if chroot "$root" /tmp/from/install.sh --binary /tmp/from/broken </dev/null >"$root/../output" 2>&1; then
    fail 'it was taken'
fi
must_say 'does not run here; nothing was changed'
cmp "$root/tmp/kept" "$root/usr/local/bin/allora-worker" || fail 'it was replaced'
echo "clean root: ok: $name"

name='stops the service when it uninstalls'
try $'disable --now allora-worker\ndaemon-reload' --uninstall --purge
[[ -z $(find "$root/etc" "$root/usr/local" -name '*allora*') ]] || fail 'something is left'
echo "clean root: ok: $name"

name='works without systemd'
rmdir "$root/run/systemd/system"
try '' --seed-phrase-file /tmp/words
must_say 'systemd is not running'
[[ -x $root/usr/local/bin/allora-worker ]] || fail 'no worker'
echo "clean root: ok: $name"
