#!/usr/bin/env bash
# Runs install.sh into temporary roots and checks the installed files.
#   tests/packaging/install.sh WORKER      the binary to install
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

worker=$(realpath "${1:-target/debug/allora-worker}")
readonly WORDS='legal winner thank year wave sausage worth useful legal winner thank yellow'
readonly ADDRESS=allo1avgyh77ycn997ja45q5q8ss8y9mr424jwfcszc
readonly OTHER_WORDS='letter advice cage absurd amount doctor acoustic avoid letter advice cage above'
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
# A folder like the unpacked tarball, so that the checkout's own configuration is not used.
from=$temporary/from

fail() {
    printf 'FAILED: %s: %s\n' "$name" "$*" >&2
    [[ ! -s $temporary/output ]] || cat "$temporary/output" >&2
    exit 1
}

# scene NAME: starts with an empty root and a fresh folder to install from.
scene() {
    name=$1
    root=$temporary/root-${1// /-}
    etc=$root/etc/allora-worker
    rm -rf "$from"
    mkdir "$from"
    cp install.sh allora-worker.service config.json "$from"
    cp --parents --recursive packaging/share "$from"
    cp "$worker" "$from/allora-worker"
    printf '%s\n' "$WORDS" >"$temporary/words"
}

# try CODE ARGUMENT...: runs install.sh without a terminal; it must end with CODE.
try() {
    local code=0 wanted=$1
    shift
    setsid "$from/install.sh" "$@" </dev/null >"$temporary/output" 2>&1 || code=$?
    ((code == wanted)) || fail "exit code $code, not $wanted: install.sh $*"
    says "$ADDRESS" || [[ $(<"$temporary/output") != *sausage* ]] || fail 'a word was printed'
}

says() { [[ $(<"$temporary/output") == *"$1"* ]]; }
must_say() { says "$1" || fail "it does not say: $1"; }
mode_is() { [[ $(stat -c %a "$2") == "$1" ]] || fail "mode of $2: $(stat -c %a "$2"), not $1"; }
is() { [[ $(<"$1") == "$2" ]] || fail "$1 holds: $(<"$1")"; }
has() { [[ $(<"$1") == *"$2"* ]] || fail "$1 lacks: $2"; }
lacks() { [[ $(<"$1") != *"$2"* ]] || fail "$1 has: $2"; }
gone() { [[ ! -e $1 ]] || fail "$1 is there"; }

# unit_of WORKER: the shipped unit; a dynamic worker may execute its libraries too.
unit_of() {
    local text
    text=$(<allora-worker.service)
    ! head -c 4096 "$1" | tr '\0' '\n' | grep -q ^/lib ||
        text=${text/ExecPaths=\/usr\/local/ExecPaths=-/lib -/lib64 -/usr/lib -/usr/lib64 /usr/local}
    printf '%s\n' "$text"
}

passed() { printf 'ok: %s\n' "$name"; }

scene 'a fresh install without a key'
try 0 --root "$root"
mode_is 755 "$root/usr/local/bin/allora-worker"
mode_is 644 "$root/etc/systemd/system/allora-worker.service"
mode_is 755 "$etc"
mode_is 600 "$etc/config.json"
gone "$etc/seed_phrase"
cmp "$worker" "$root/usr/local/bin/allora-worker" || fail 'another binary'
is "$root/etc/systemd/system/allora-worker.service" "$(unit_of "$worker")"
diff -r packaging/share "$root/usr/local/share" || fail 'another manual page or completion'
mode_is 644 "$root/usr/local/share/man/man8/allora-worker.8"
text=$(<config.json)
is "$etc/config.json" "${text/'"seed_phrase": ""'/'"seed_phrase_file": "seed_phrase"'}"
must_say 'no seed phrase yet'
for line in 'allora-worker check --config /etc/allora-worker/config.json' 'systemctl start allora-worker' 'journalctl -u allora-worker -f'; do
    must_say $'\n'"  $line"
done
[[ -z $(find "$root" -name '.new*' -o -name '*.new') ]] || fail 'something was left behind'
passed

name='the key comes later'
try 0 --root "$root" --seed-phrase-file "$temporary/words"
is "$etc/seed_phrase" "$WORDS"
mode_is 600 "$etc/seed_phrase"
must_say "the seed phrase is still in $temporary/words too"
must_say "the wallet's address, which needs ALLO: $ADDRESS"
passed

name='an upgrade touches neither the configuration nor the key'
printf '{"topics": []}' >"$etc/config.json"
chmod 640 "$etc/config.json"
echo older >"$root/usr/local/bin/allora-worker"
before=$(stat -c '%n %i %a %Y %s' "$etc"/*)
try 0 --root "$root"
[[ $(stat -c '%n %i %a %Y %s' "$etc"/*) == "$before" ]] || fail 'something changed'
cmp "$worker" "$root/usr/local/bin/allora-worker" || fail 'not upgraded'
must_say '/etc/allora-worker/config.json was kept as it is'
try 1 --root "$root" --seed-phrase-file "$temporary/words"
must_say 'already exists and is kept'
passed

name='uninstall keeps configuration and key, purge does not'
try 0 --root "$root" --uninstall
gone "$root/usr/local/bin/allora-worker"
gone "$root/etc/systemd/system/allora-worker.service"
[[ -z $(find "$root/usr" -type f) ]] || fail 'a file is left below the prefix'
[[ $(stat -c '%n %i %a %Y %s' "$etc"/*) == "$before" ]] || fail 'something changed'
must_say 'kept: /etc/allora-worker/seed_phrase'
try 0 --root "$root" --uninstall --purge
gone "$etc"
passed

scene 'the seed phrase is in the shipped configuration'
printf '{"debug":true ,\n\t"seed_phrase" :  "%s", "x":"a \\"quoted\\" {[ text"}' "$WORDS" \
    >"$from/config.json"
try 0 --root "$root"
is "$etc/seed_phrase" "$WORDS"
mode_is 600 "$etc/seed_phrase"
is "$etc/config.json" $'{"debug":true ,\n\t"seed_phrase_file" :  "seed_phrase", "x":"a \\"quoted\\" {[ text"}'
must_say 'the seed phrase is still in'
passed

scene 'the seed phrase is moved out of the installed configuration'
mkdir -p "$etc"
printf '{"seed_phrase":"%s"}\n\n' "$WORDS" >"$etc/config.json"
chmod 644 "$etc/config.json"
try 0 --root "$root"
is "$etc/seed_phrase" "$WORDS"
[[ $(od -An -c "$etc/config.json") == "$(printf '{"seed_phrase_file":"seed_phrase"}\n\n' | od -An -c)" ]] ||
    fail 'other bytes changed'
mode_is 600 "$etc/config.json"
must_say 'was moved to'
passed

scene 'an installed configuration without a seed phrase is kept'
mkdir -p "$etc"
printf '{"seed_phrase": "", "topics": []}' >"$etc/config.json"
try 0 --root "$root" --seed-phrase-file "$temporary/words"
is "$etc/config.json" '{"seed_phrase": "", "topics": []}'
is "$etc/seed_phrase" "$WORDS"
must_say 'so that commands typed by hand find the seed phrase'
passed

scene 'the key is in the file that the configuration names'
printf '{"seed_phrase": "", "seed_phrase_file": "mine/words"}' >"$from/config.json"
mkdir "$from/mine"
printf '  %s \n' "${WORDS/winner/$'\n\t'winner}" >"$from/mine/words"
try 0 --root "$root"
is "$etc/seed_phrase" "$WORDS"
is "$etc/config.json" '{"seed_phrase": "", "seed_phrase_file": "seed_phrase"}'
passed

scene 'a configuration without either key gets the file'
printf '{"debug": true}' >"$from/config.json"
try 0 --root "$root" --seed-phrase-file "$temporary/words"
is "$etc/config.json" $'{"seed_phrase_file": "seed_phrase",\n  "debug": true}'
must_say "$ADDRESS"
passed

scene 'a configuration that cannot be parsed with certainty is left alone'
while IFS= read -r line; do
    printf '%b' "$line" >"$from/config.json"
    try 1 --root "$root"
    must_say "can't be changed safely"
    must_say 'Nothing was changed'
    gone "$root/usr"
    gone "$etc"
done <<END
{"seed_phrase": "$WORDS", "seed_phrase": "$WORDS"}
{"seed\\\\u005fphrase": "$WORDS", "seed_phrase": ""}
{"seed_phrase": "$WORDS\\\\n"}
{"seed_phrase": "$WORDS", "seed_phrase_file": "x"}
{"seed_phrase": ["$WORDS"]}
{"seed_phrase": "$WORDS"
{"seed_phrase": "$WORDS
{"seed_phrase": "$WORDS"}\\000
{"seed_phrase"
END
: >"$from/config.json"
try 1 --root "$root"
passed

scene 'a seed phrase in the place of its file is not repeated'
printf '{"seed_phrase_file": "%s"}' "$WORDS" >"$from/config.json"
try 1 --root "$root"
must_say 'its seed_phrase_file looks like a seed phrase instead of the name of a file'
gone "$etc"
passed

scene 'a key of that name elsewhere is not the key'
printf '{"a": {"seed_phrase": "x"}, "b": "seed_phrase", "seed_phrase": ""}' >"$from/config.json"
try 0 --root "$root"
is "$etc/config.json" '{"a": {"seed_phrase": "x"}, "b": "seed_phrase", "seed_phrase_file": "seed_phrase"}'
passed

scene 'an invalid seed phrase installs nothing'
for wrong in "${WORDS% *}" "$WORDS legal" "${WORDS/year/ye4r}" "${WORDS/year/yearr}" "${WORDS/year/legal}" ''; do
    printf '%s' "$wrong" >"$temporary/words"
    try 1 --root "$root" --seed-phrase-file "$temporary/words"
    gone "$root/usr"
    gone "$etc/config.json"
    gone "$etc/seed_phrase"
done
try 1 --root "$root" --seed-phrase-file "$temporary/none"
must_say 'is not a plain file'
head -c 5000 /dev/zero | tr '\0' a >"$temporary/words"
try 1 --root "$root" --seed-phrase-file "$temporary/words"
must_say 'too large'
passed

scene 'a second seed phrase is never ignored in silence'
mkdir -p "$etc"
printf '%s\n' "$WORDS" >"$etc/seed_phrase"
before=$(<"$etc/seed_phrase")
# The installed configuration holds the same one, another one, or names a file with another one.
printf '{"seed_phrase": " %s "}' "$WORDS" >"$etc/config.json"
try 0 --root "$root"
must_say 'config.json now names /etc/allora-worker/seed_phrase instead of holding the seed phrase'
is "$etc/config.json" '{"seed_phrase_file": "seed_phrase"}'
printf '{"seed_phrase": "%s", "seed_phrase_file": ""}' "$WORDS" >"$etc/config.json"
try 0 --root "$root"
must_say 'config.json still holds the seed phrase'
printf '{"seed_phrase": "%s"}' "$OTHER_WORDS" >"$etc/config.json"
try 1 --root "$root"
must_say 'holds another seed phrase than /etc/allora-worker/seed_phrase'
printf '%s' "$OTHER_WORDS" >"$etc/mine"
printf '{"seed_phrase_file": "mine"}' >"$etc/config.json"
try 1 --root "$root"
must_say 'holds another seed phrase than /etc/allora-worker/seed_phrase'
printf '%s' "$WORDS" >"$etc/mine"
try 0 --root "$root"
must_say "the seed phrase is still in $etc/mine too"
printf '{"seed_phrase": "%s' "$WORDS" >"$etc/config.json"
try 0 --root "$root"
must_say "can't be searched for a seed phrase"
# The configuration beside install.sh is not used.
printf '{"topics": []}' >"$etc/config.json"
printf '{"seed_phrase": "%s"}' "$OTHER_WORDS" >"$from/config.json"
try 0 --root "$root"
must_say "$from/config.json was not used"
# The configuration beside install.sh is used.
rm "$etc/config.json"
try 1 --root "$root"
must_say 'holds another seed phrase than /etc/allora-worker/seed_phrase'
gone "$etc/config.json"
printf '{"seed_phrase": "%s"}' "$WORDS" >"$from/config.json"
try 0 --root "$root"
must_say "the seed phrase is still in $from/config.json too"
lacks "$etc/config.json" sausage
is "$etc/seed_phrase" "$before"
passed

scene 'of two files with a seed phrase, none is chosen'
printf '{"seed_phrase_file": "mine"}' >"$from/config.json"
printf '%s' "$OTHER_WORDS" >"$from/mine"
try 1 --root "$root" --seed-phrase-file "$temporary/words"
must_say 'names another'
gone "$etc"
passed

scene 'what does not run is not installed'
echo '#!/bin/sh' >"$from/allora-worker"
try 1 --root "$root"
must_say 'is not a Linux program; nothing was changed'
gone "$etc"
gone "$root/usr"
passed

scene 'the remains of a killed run are removed'
try 0 --root "$root" --seed-phrase-file "$temporary/words"
mkdir "$etc/.new.abcdefgh"
cp "$etc/seed_phrase" "$etc/.new.abcdefgh/"
try 0 --root "$root"
gone "$etc/.new.abcdefgh"
mkdir "$etc/.new.abcdefgh"
cp "$etc/seed_phrase" "$etc/.new.abcdefgh/"
try 0 --root "$root" --uninstall --purge
gone "$etc"
passed

scene 'symbolic links and CDPATH'
mkdir -p "$temporary/links" "$root/srv" "$etc"
ln -s ../from/install.sh "$temporary/links/install.sh"
printf '{"seed_phrase": "%s"}' "$WORDS" >"$root/srv/config.json"
ln -s ../../srv/config.json "$etc/config.json"
from=$temporary/links
export CDPATH=$temporary
# The link's target would keep the seed phrase.
try 1 --root "$root"
must_say 'it is a symbolic link'
gone "$root/usr"
printf '{"seed_phrase_file": "seed_phrase"}' >"$root/srv/config.json"
try 0 --root "$root" --seed-phrase-file "$temporary/words"
export -n CDPATH
unset CDPATH
from=$temporary/from
[[ -L $etc/config.json ]] || fail 'the link was replaced'
must_say "$ADDRESS"
passed

scene 'the unit lets a worker execute what it needs'
for linker in '' /lib64/ld-linux-x86-64.so.2 /lib/ld-musl-aarch64.so.1; do
    printf '\x7fELF\0%s\0/lib/x\0' "$linker" >"$from/allora-worker"
    try 0 --root "$root" --prefix /opt/a
    execute=/opt/a/bin/allora-worker
    [[ -z $linker ]] || execute="-/lib -/lib64 -/usr/lib -/usr/lib64 $execute"
    has "$root/etc/systemd/system/allora-worker.service" $'\nNoExecPaths=/\nExecPaths='"$execute"$'\n'
done
passed

scene 'a root that leads out of itself is refused'
ln -s / "$temporary/to-root"
for wrong in / // /. "$temporary/../../../../../../.." "$temporary/to-root" "$temporary/to-root/."; do
    try 1 --root "$wrong"
    must_say '--root leads to the root of the running system'
done
# Each folder or file that is written or read, as a link out of the root.
mkdir "$temporary/outside"
for place in etc etc/systemd/system etc/allora-worker usr/local/bin usr/local/share/man \
    usr/local/share/bash-completion usr/local/share/zsh usr/local/share/fish \
    etc/allora-worker/config.json etc/allora-worker/seed_phrase; do
    for target in "$temporary/outside" ../../../../../../../../../../../../../tmp; do
        rm -rf "$root"
        mkdir -p "$(dirname "$root/$place")"
        ln -s "$target" "$root/$place"
        try 1 --root "$root" --seed-phrase-file "$temporary/words"
        must_say 'out of --root'
        try 1 --root "$root" --uninstall --purge
        [[ -L $root/$place && -z $(find "$root" "$temporary/outside" -type f) ]] ||
            fail "something was written: $place"
    done
done
try 2 --root "$root" --prefix /usr/../../local
must_say 'without ..'
# Links that stay below the root are followed.
rm -rf "$root"
mkdir -p "$root/data"
ln -s data "$root/etc"
try 0 --root "$root/data/.." --seed-phrase-file "$temporary/words"
is "$root/data/allora-worker/seed_phrase" "$WORDS"
passed

scene 'a folder that other users can change is refused'
mkdir -p "$etc"
for mode in 775 757 777 1777; do
    chmod "$mode" "$etc"
    try 1 --root "$root" --seed-phrase-file "$temporary/words"
    must_say "other users can change $etc (owner $EUID, mode $mode)"
    must_say "&& chmod 755 $etc"
    [[ -z $(find "$root" -type f) ]] || fail 'something was written'
done
if ((EUID == 0)); then
    chmod 755 "$etc"
    chown 12345 "$etc"
    try 1 --root "$root" --seed-phrase-file "$temporary/words"
    must_say "chown root $etc"
    chown 0 "$etc"
fi
chmod 700 "$etc"
try 0 --root "$root" --seed-phrase-file "$temporary/words"
mode_is 700 "$etc"
passed

scene 'only a plain file is a seed phrase'
mkfifo "$temporary/pipe"
# As the file of --seed-phrase-file, as the one that the configuration names, and as the installed one.
for wrong in "$temporary/pipe" /dev/zero /dev/stdin "$temporary" "$temporary/from"; do
    try 1 --root "$root" --seed-phrase-file "$wrong"
    must_say 'is not a plain file'
    printf '{"seed_phrase_file": "%s"}' "$wrong" >"$from/config.json"
    try 1 --root "$root"
    must_say 'is not a plain file'
    gone "$etc"
    cp config.json "$from"
done
mkdir -p "$etc"
for name in seed_phrase config.json; do
    mkfifo "$etc/$name"
    try 1 --root "$root"
    must_say "$etc/$name is not a plain file; nothing was changed"
    rm "$etc/$name"
    mkdir "$etc/$name"
    try 1 --root "$root"
    must_say "$etc/$name is not a plain file; nothing was changed"
    rmdir "$etc/$name"
done
name='only a plain file is a seed phrase'
# Beside an installed key, the file that the configuration names is compared with it.
printf '%s\n' "$WORDS" >"$etc/seed_phrase"
chmod 600 "$etc/seed_phrase"
printf '{"seed_phrase_file": "%s"}' "$temporary/pipe" >"$etc/config.json"
try 0 --root "$root"
must_say 'was not compared with the key: it is not a plain file'
rm "$etc"/*
ln -s "$temporary/words" "$temporary/link"
if ((EUID == 0)); then
    chown -h 12345 "$temporary/link"
    try 1 --root "$root" --seed-phrase-file "$temporary/link"
    must_say 'is a link to a file of another user'
    chown -h 0 "$temporary/link"
fi
try 0 --root "$root" --seed-phrase-file "$temporary/link"
is "$etc/seed_phrase" "$WORDS"
passed

scene 'the installed configuration names its network'
try 0 --root "$root" --seed-phrase-file "$temporary/words"
has "$etc/config.json" '"network": "testnet"'
says 'no chain is named' && fail 'a hint without a reason'
for named in '"network": "mainnet"' '"chain_id": "x"'; do
    printf '{%s, "seed_phrase_file": "seed_phrase"}' "$named" >"$etc/config.json"
    try 0 --root "$root"
    says 'no chain is named' && fail "a hint though there is $named"
done
# One without either is left as it is, with a hint. A member elsewhere does not count.
text='{"seed_phrase_file": "seed_phrase", "api_params": {"network": "testnet"}}'
printf '%s' "$text" >"$etc/config.json"
try 0 --root "$root"
is "$etc/config.json" "$text"
must_say 'write "network": "testnet" or "network": "mainnet" into /etc/allora-worker/config.json'
passed

scene 'an interrupted move of the seed phrase is finished by the next run'
# These commands kill install.sh, and all that it started, before or after they ran for the Nth time.
mkdir "$temporary/deadly"
for command in cat cp install mkdir mktemp mv rm sync; do
    cat >"$temporary/deadly/$command" <<END
#!/bin/bash
read -r left when <"$temporary/kill-at"
left=\$((left - 1))
echo "\$left \$when" >"$temporary/kill-at"
if ((left == 0)) && [[ \$when == before ]]; then kill -9 0; fi
$(command -v "$command") "\$@"
code=\$?
if ((left == 0)); then kill -9 0; fi
exit \$code
END
    chmod +x "$temporary/deadly/$command"
done
real=$PATH
for when in before after; do
    for ((step = 1; ; step++)); do
        rm -rf "$root"
        mkdir -p "$etc"
        printf '{"network": "testnet", "seed_phrase": "%s"}' "$WORDS" >"$etc/config.json"
        echo "$step $when" >"$temporary/kill-at"
        code=0
        # bash reports the signal, hence the braces.
        {
            PATH=$temporary/deadly:$real setsid --wait "$from/install.sh" --root "$root" </dev/null \
                >"$temporary/output" 2>&1 || code=$?
        } 2>/dev/null
        if [[ ! -e $etc/seed_phrase || $(<"$etc/seed_phrase") != "$WORDS" ]]; then
            has "$etc/config.json" "$WORDS"
        fi
        if ((code == 0)); then break; fi
        ((code == 137)) || fail "step $step, $when: exit code $code"
        try 0 --root "$root"
        is "$etc/seed_phrase" "$WORDS"
        mode_is 600 "$etc/seed_phrase"
        is "$etc/config.json" '{"network": "testnet", "seed_phrase_file": "seed_phrase"}'
        [[ -z $(find "$root" -name '.new*' -o -name '*.new') ]] || fail "step $step: something was left behind"
    done
    ((step > 10)) || fail "only $step steps"
done
passed

scene 'another prefix'
try 0 --root "$root" --prefix /opt/allora/ --binary "$worker"
has "$root/etc/systemd/system/allora-worker.service" 'ExecStart=/opt/allora/bin/allora-worker run'
lacks "$root/etc/systemd/system/allora-worker.service" /usr/local
must_say '  /opt/allora/bin/allora-worker check --config /etc/allora-worker/config.json'
echo older >"$root/opt/allora/bin/allora-worker"
try 0 --root "$root"
cmp "$worker" "$root/opt/allora/bin/allora-worker" || fail 'an upgrade went elsewhere'
gone "$root/usr/local"
try 0 --root "$root" --uninstall --purge
[[ -z $(find "$root" -type f) ]] || fail "left: $(find "$root" -type f)"
passed

scene 'wrong usage is code 2 and never repeats the seed phrase'
# shellcheck disable=SC2086 # why: each line is several arguments
while IFS= read -r line; do
    try 2 $line
    says 'Try: install.sh --help' || fail "no hint for: $line"
done <<END
--root
--purge
--frobnicate
$WORDS
--root $root --prefix relative
--root $root --uninstall --seed-phrase-file x
--root $root --encrypt
--uninstall --encrypt
END
try 2 --root ''
key=00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF
for wrong in "$WORDS" "${WORDS// /, }" "${WORDS^^}" "${WORDS// /$'\n'}" "$key" "0x$key"; do
    for option in --root --prefix --binary --seed-phrase-file; do
        try 2 "$option" "$wrong"
        must_say "the value of $option looks like a seed phrase or a private key"
        says SAUSAGE && fail 'a word was printed'
        says 00112233 && fail 'the key was printed'
    done
done
try 0 --help
must_say '--seed-phrase-file'
gone "$root"
passed

scene 'the seed phrase reaches no other process'
# Records arguments and environment of each command that install.sh runs.
mkdir "$temporary/watched"
for command in /bin/* /usr/bin/*; do
    case ${command##*/} in
        cat | chmod | cp | dirname | install | mkdir | mktemp | mv | realpath | rm | stat | stty | sync | uname)
            printf '#!/bin/bash\n%s\nexec %q "$@"\n' \
                "{ tr '\\0' ' ' </proc/\$\$/cmdline; tr '\\0' ' ' </proc/\$\$/environ; } >>$temporary/seen" \
                "$command" >"$temporary/watched/${command##*/}"
            chmod +x "$temporary/watched/${command##*/}"
            ;;
    esac
done
printf '{"seed_phrase": "%s"}' "$WORDS" >"$from/config.json"
real=$PATH
export words=1 theirs=1 value=1 text=1 line=1 rest=1 PATH=$temporary/watched:$PATH
try 0 --root "$root"
PATH=$real
export -n words theirs value text line rest
is "$etc/seed_phrase" "$WORDS"
has "$temporary/seen" "$root"
lacks "$temporary/seen" sausage
passed

if ((EUID != 0)); then
    name='without root'
    try 1
    must_say sudo
    passed
elif runuser -u nobody -- true 2>/dev/null; then
    scene 'without root'
    chmod -R a+rX "$temporary"
    code=0
    runuser -u nobody -- "$from/install.sh" >"$temporary/output" 2>&1 </dev/null || code=$?
    ((code == 1)) || fail "exit code $code"
    must_say sudo
    passed
fi

if command -v script >/dev/null; then
    scene 'asks on the terminal, without echo'
    # Types the seed phrase once the question is there, as a person would.
    coproc TERMINAL { script -qec "$from/install.sh --root $root" /dev/null; }
    seen=''
    while [[ $seen != *'later): ' ]] && IFS= read -r -t 20 -n 1 -d '' -u "${TERMINAL[0]}" letter; do
        seen+=$letter
    done
    printf '%s\n' "$WORDS" >&"${TERMINAL[1]}"
    while IFS= read -r -t 20 -n 1 -d '' -u "${TERMINAL[0]}" letter; do
        seen+=$letter
    done
    printf '%s' "$seen" >"$temporary/output"
    must_say 'not shown'
    must_say "$ADDRESS"
    lacks "$temporary/output" sausage
    is "$etc/seed_phrase" "$WORDS"
    passed
else
    echo 'LEFT OUT: the question on the terminal: script(1) is not installed'
fi
