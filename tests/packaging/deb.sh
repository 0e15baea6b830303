#!/usr/bin/env bash
# Builds the Debian package around a worker, twice, and installs, upgrades, removes and purges it in a
# system root of its own: this machine's programs under an overlay, and a systemctl that records its
# arguments. Needs dpkg-deb, and root for mounting; what it skips, it prints as LEFT OUT.
#   tests/packaging/deb.sh WORKER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly WORDS='legal winner thank year wave sausage worth useful legal winner thank yellow'
readonly ADDRESS=allo1avgyh77ycn997ja45q5q8ss8y9mr424jwfcszc
name=''
fail() {
    printf 'deb: FAILED: %s: %s\n' "$name" "$*" >&2
    [[ ! -s $work/output ]] || cat "$work/output" >&2
    exit 1
}
passed() { printf 'deb: ok: %s\n' "$name"; }

if [[ ${2:-} != inside ]]; then
    if ! command -v dpkg-deb >/dev/null; then
        echo 'deb: LEFT OUT: dpkg-deb is not installed'
        exit 0
    fi
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    arch=$(dpkg --print-architecture)
    mkdir "$work/one" "$work/two"

    name='the same worker gives the same bytes'
    packaging/deb "$1" "$arch" "$work/one" >"$work/output" 2>&1 || fail "exit code $?"
    (umask 077 && packaging/deb "$1" "$arch" "$work/two") >"$work/output" 2>&1 || fail "exit code $?"
    packages=("$work"/one/*.deb)
    cmp "${packages[0]}" "$work/two/${packages[0]##*/}" || fail 'other bytes'
    passed

    name='it has the files of the tarball'
    dpkg-deb --contents "${packages[0]}" >"$work/output"
    for file in ' ./usr/bin/allora-worker' '-rw------- root/root .* ./etc/allora-worker/config.json' \
        ' ./usr/lib/systemd/system/allora-worker.service' ' ./usr/share/man/man8/allora-worker.8.gz' \
        ' ./usr/share/bash-completion/completions/allora-worker' \
        ' ./usr/share/doc/allora-worker/docs/config.schema.json' \
        ' ./usr/share/doc/allora-worker/copyright' ' ./usr/share/doc/allora-worker/monitoring/alerts.yml'; do
        grep -q -e "$file\$" "$work/output" || fail "no $file"
    done
    passed

    name='lintian'
    if command -v lintian >/dev/null; then
        # A dynamic worker, which only tests pack, needs the C library, and is not hardened by Debian.
        lintian --fail-on error --suppress-tags unstripped-binary-or-object,statically-linked-binary \
            --suppress-tags missing-dependency-on-libc \
            "${packages[0]}" >"$work/output" 2>&1 || fail 'it has complaints'
        passed
    else
        echo 'deb: LEFT OUT: lintian is not installed'
    fi
    if ((EUID != 0)) || ! why=$(unshare --mount --propagation private mount -t tmpfs none /mnt 2>&1); then
        printf 'deb: LEFT OUT: installing it: mounting needs root: %s\n' "${why:-}"
        exit 0
    fi
    unshare --mount --propagation private "$0" "${packages[0]}" inside "$work"
    exit
fi

package=$1 work=$3
root=$work/root
mkdir "$root" "$work/changes"
mount -t tmpfs none "$work/changes"
mkdir "$work/changes"/{files,work}
mount -t tmpfs none "$root"
mkdir -p "$root"/{dev,etc,run/systemd/system,tmp,usr,var/lib/dpkg/{info,updates,triggers}}
if ! why=$(mount -t overlay none -o "lowerdir=/usr,upperdir=$work/changes/files,workdir=$work/changes/work" \
    "$root/usr" 2>&1); then
    printf 'deb: LEFT OUT: installing it: no overlay file system here: %s\n' "$why"
    exit 0
fi
mount --bind /dev "$root/dev"
for folder in bin lib lib64 sbin; do
    if [[ -L /$folder ]]; then
        cp -a "/$folder" "$root/$folder"
    elif [[ -d /$folder ]]; then
        mkdir "$root/$folder"
        mount --bind "/$folder" "$root/$folder"
    fi
done
printf 'Package: init-system-helpers\nStatus: install ok installed\nVersion: 1.65\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' \
    >"$root/var/lib/dpkg/status"
rm -f "$root/usr/bin/systemctl"
cat >"$root/usr/bin/systemctl" <<'END'
#!/bin/sh
echo "$*" >>/tmp/asked
END
chmod +x "$root/usr/bin/systemctl"
cp "$package" "$root/tmp/package.deb"
etc=$root/etc/allora-worker

run() {
    env -i PATH=/usr/bin:/usr/sbin DEBIAN_FRONTEND=noninteractive chroot "$root" "$@" \
        </dev/null >"$work/output" 2>&1
}
# try CALLS COMMAND...: a command on the root, which must call systemctl with exactly CALLS.
try() {
    local wanted=$1
    shift
    : >"$root/tmp/asked"
    run "$@" || fail "exit code $?: $*"
    [[ $(<"$root/tmp/asked") == "$wanted" ]] || fail "asked: $(<"$root/tmp/asked")"
}
must_say() { [[ $(<"$work/output") == *"$1"* ]] || fail "it does not say: $1"; }

# What deb-systemd-helper asks when it enables a unit.
readonly preset='--root=/ --system --preset-mode=enable-only preset allora-worker.service'

name='it installs, and starts nothing'
try "$preset"$'\n--system daemon-reload' dpkg --install /tmp/package.deb
must_say /usr/share/doc/allora-worker/README.Debian
[[ -e $root/var/lib/systemd/deb-systemd-helper-enabled/allora-worker.service.dsh-also ]] || fail 'not enabled'
[[ $(stat -c '%a %u' "$etc/config.json" "$root/usr/bin/allora-worker") == $'600 0\n755 0' ]] || fail 'modes'
[[ $(<"$root/usr/lib/systemd/system/allora-worker.service") != */usr/local/* ]] || fail 'another path in the unit'
run dpkg --verify allora-worker || fail 'other sums'
passed

name='the installed worker finds its configuration and its key'
printf '%s\n' "$WORDS" >"$etc/seed_phrase"
chmod 600 "$etc/seed_phrase"
run allora-worker address || fail "exit code $?"
[[ $(<"$work/output") == "$ADDRESS" ]] || fail 'another address'
passed

name='an upgrade keeps the configuration and restarts a running service'
sed -i 's/"debug": false/"debug": true/' "$etc/config.json"
cp "$etc/config.json" "$work/kept"
try $'--system daemon-reload\ntry-restart allora-worker.service' dpkg --install /tmp/package.deb
cmp "$work/kept" "$etc/config.json" || fail 'the configuration was replaced'
passed

name='removing it stops the service and keeps configuration and key'
try $'stop allora-worker.service\ndaemon-reload\n--system daemon-reload' dpkg --remove allora-worker
[[ ! -e $root/usr/bin/allora-worker ]] || fail 'the worker is left'
cmp "$work/kept" "$etc/config.json" || fail 'the configuration is gone'
passed

name='purging it keeps the key'
try 'daemon-reload' dpkg --purge allora-worker
[[ ! -e $etc/config.json && $(<"$etc/seed_phrase") == "$WORDS" ]] || fail "$(ls "$etc")"
left=$(find "$root/etc" "$work/changes/files" -name '*allora*' ! -type c)
[[ $left == "$etc" ]] || fail "left: $left"
passed
