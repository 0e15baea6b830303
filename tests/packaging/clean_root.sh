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
cp --parents --recursive packaging/share "$root/tmp/from"
mkdir "$root/tmp/tools"
cat >"$root/tmp/tools/systemctl" <<'END'
#!/bin/bash
echo "$*" >>/tmp/asked
[[ $* != *is-active* || -e /tmp/active ]]
END
chmod +x "$root/tmp/tools/systemctl"
printf '%s\n' "$WORDS" >"$root/tmp/words"

run() {
    env -i PATH=/tmp/tools:/usr/bin:/usr/sbin chroot "$root" setsid --wait /tmp/from/install.sh "$@" \
        </dev/null >"$root/../output" 2>&1
}
# must_fail TEXT ARGUMENT...: runs install.sh, which must refuse with this text.
must_fail() {
    if run "${@:2}"; then fail "it was accepted: ${*:2}"; fi
    must_say "$1"
}
# try CALLS ARGUMENT...: runs install.sh, which must call systemctl with exactly CALLS.
try() {
    local wanted=$1
    shift
    : >"$root/tmp/asked"
    run "$@" || fail "exit code $?"
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

name='the completions are found'
# found TEXT COMMAND...: a command's output on the root, which must have this text.
found() {
    said=$(env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/tmp \
        XDG_DATA_DIRS=/usr/local/share:/usr/share chroot "$root" "${@:2}" 2>&1) || fail "${*:2}: $said"
    [[ $said == *"$1"* ]] || fail "${*:2}: $said"
}
if [[ -r $root/usr/share/bash-completion/bash_completion ]]; then
    found _allora_worker bash -c '. /usr/share/bash-completion/bash_completion
        _completion_loader allora-worker
        complete -p allora-worker'
fi
if [[ -x $root/usr/bin/zsh ]]; then
    # shellcheck disable=SC2016 # why: zsh expands it
    found _allora-worker zsh -f -c 'autoload -U compinit && compinit -D -u && print $_comps[allora-worker]'
fi
if [[ -x $root/usr/bin/fish ]]; then
    found keygen fish -c 'complete -C "allora-worker key"'
fi
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

# encrypted: the key is in seed_phrase.cred alone, can be decrypted, and the unit uses it.
encrypted() {
    [[ ! -e $etc/seed_phrase && $(stat -c '%a %u' "$etc/seed_phrase.cred") == '600 0' ]] || fail "$1"
    [[ $(<"$etc/seed_phrase.cred") != *sausage* && $(<"$etc/config.json") != *sausage* ]] || fail "$1"
    said=$(chroot "$root" systemd-creds decrypt --name=seed_phrase /etc/allora-worker/seed_phrase.cred -)
    [[ $said == "$WORDS" ]] || fail "$1: another key"
    said=$(<"$root/etc/systemd/system/allora-worker.service")
    [[ $said == *$'\nLoadCredentialEncrypted=seed_phrase:/etc/allora-worker/seed_phrase.cred\n'* ]] || fail "$1"
    [[ $said == *$'\nAssertPathExists=/etc/allora-worker/seed_phrase.cred\n'* ]] || fail "$1"
    [[ $said != *LoadCredential=seed_phrase* && $said != *'/seed_phrase'$'\n'* ]] || fail "$1"
    [[ -z $(find "$root"/run "$etc" -name '*allora-worker-install*' -o -name '.new*') ]] || fail "$1: remains"
}

name='encrypts the key, and keeps it encrypted'
etc=$root/etc/allora-worker
# systemd-creds wants its key on a disk, and the machine's id.
mkdir -p "$root/var/lib/systemd" "$root/../systemd"
mount --bind "$root/../systemd" "$root/var/lib/systemd"
mount -t proc proc "$root/proc"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
if ! chroot "$root" systemd-creds encrypt --name=probe - /tmp/probe <"$root/tmp/words" 2>"$root/../why"; then
    echo "clean root: LEFT OUT: $name: no systemd-creds here: $(<"$root/../why")"
else
    try $'daemon-reload\nenable allora-worker' --encrypt --seed-phrase-file /tmp/words
    must_say "$ADDRESS"
    must_say 'the seed phrase is still in /tmp/words too'
    encrypted 'a new key'
    try $'daemon-reload\n--quiet is-active allora-worker'
    must_say 'systemd-run --pipe --wait -p LoadCredentialEncrypted=seed_phrase:'
    encrypted 'an upgrade without --encrypt'
    must_fail 'already exists and is kept' --seed-phrase-file /tmp/words
    cp "$etc/seed_phrase.cred" "$root/tmp/cred"
    echo broken >"$etc/seed_phrase.cred"
    printf '{"seed_phrase": "%s"}' "$WORDS" >"$etc/config.json"
    must_fail "can't be decrypted on this machine; nothing was changed"
    cp "$root/tmp/cred" "$etc/seed_phrase.cred"
    printf 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above\n' >"$etc/seed_phrase"
    chmod 600 "$etc/seed_phrase"
    must_fail 'holds another seed phrase than /etc/allora-worker/seed_phrase.cred'
    echo "clean root: ok: $name"

    # kill_at STEP: a tool that kills install.sh after the STEPth time it ran.
    name='an interrupted encryption is finished by the next run'
    for command in cp install mkdir mktemp mv rm sync systemd-creds; do
        cat >"$root/tmp/tools/$command" <<END
#!/bin/bash
/usr/bin/$command "\$@"
code=\$?
[[ -e /tmp/kill-at ]] || exit \$code
left=\$((\$(</tmp/kill-at) - 1))
echo "\$left" >/tmp/kill-at
if ((left == 0)); then kill -9 0; fi
exit \$code
END
        chmod +x "$root/tmp/tools/$command"
    done
    for ((step = 1; ; step++)); do
        rm -rf "$etc"
        mkdir "$etc"
        printf '%s\n' "$WORDS" >"$etc/seed_phrase"
        printf '{"seed_phrase": "%s"}' "$WORDS" >"$etc/config.json"
        chmod 600 "$etc"/*
        echo "$step" >"$root/tmp/kill-at"
        code=0
        { run --encrypt || code=$?; } 2>/dev/null
        rm "$root/tmp/kill-at"
        [[ -e $etc/seed_phrase && $(<"$etc/seed_phrase") == "$WORDS" ]] ||
            [[ $(chroot "$root" systemd-creds decrypt --name=seed_phrase /etc/allora-worker/seed_phrase.cred -) == "$WORDS" ]] ||
            fail "step $step: the key is gone"
        if ((code == 0)); then break; fi
        ((code == 137)) || fail "step $step: exit code $code"
        run --encrypt || fail "step $step: exit code $?"
        encrypted "step $step"
    done
    ((step > 10)) || fail "only $step steps"
    encrypted 'without an interruption'
    rm -rf "$root/tmp/tools"/{cp,install,mkdir,mktemp,mv,rm,sync,systemd-creds}
    run --uninstall --purge || fail "exit code $?"
    echo "clean root: ok: $name"
fi

name='works without systemd'
rmdir "$root/run/systemd/system"
must_fail '--encrypt needs systemd-creds' --encrypt
try '' --seed-phrase-file /tmp/words
must_say 'systemd is not running'
[[ -x $root/usr/local/bin/allora-worker ]] || fail 'no worker'
echo "clean root: ok: $name"
