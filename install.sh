#!/usr/bin/env bash
# Installs allora-worker as a service, upgrades it, or takes it away. Needs bash 4.4 and coreutils.
#
# The seed phrase passes through this shell's memory and through files that only root can read:
# never through an argument, the environment, a log or a here-document.
{ set +x; } 2>/dev/null # why: a trace would show the words
set -euo pipefail
export LC_ALL=C
umask 077
# Variables of these names that were exported would hand the words on by the environment.
set +a
unset words theirs value text texts piece pieces rest line list word
# With it `cd` would look elsewhere and print where it went.
unset CDPATH

readonly HELP='Installs allora-worker as a service of systemd; run again, it upgrades.

Usage: install.sh [--seed-phrase-file FILE] [--binary FILE] [--prefix DIR] [--root DIR]
       install.sh --uninstall [--purge] [--prefix DIR] [--root DIR]

Options:
  --seed-phrase-file FILE   takes the words of the wallet from there; without it they are taken
                            out of the configuration, or asked for, if there are none yet
  --binary FILE             the worker to install, if it is not the one beside this script
  --prefix DIR              where bin/allora-worker goes; where the unit that is there has it, or
                            /usr/local
  --root DIR                installs below DIR and leaves the running system alone
  --uninstall               stops the service, takes away the unit and the binary
  --purge                   with --uninstall: takes away the configuration and the key too
  --help                    this text

Installed: PREFIX/bin/allora-worker, /etc/systemd/system/allora-worker.service, and, kept if they
are there already, /etc/allora-worker/config.json and /etc/allora-worker/seed_phrase.
'
readonly SEED_BYTES_MAX=4096
readonly CONFIG_BYTES_MAX=1048576

say() { printf '%s\n' "$*"; }
warn() { printf 'install.sh: %s\n' "$*" >&2; }
fail() {
    warn "$@"
    exit 1
}
usage() {
    printf 'install.sh: %s\nTry: install.sh --help\n' "$*" >&2
    exit 2
}

# make_folder DIR: the mode of one that is there is its owner's business.
make_folder() { [[ -d $1 ]] || install -d -m 755 -- "$1"; }

# Where the script itself is, should it have been started by a symbolic link.
here=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
root='' prefix='' binary='' seed_file='' uninstall=0 purge=0

read_arguments() {
    while (($# > 0)); do
        case $1 in
            --root | --prefix | --binary | --seed-phrase-file)
                if (($# < 2)) || [[ -z $2 ]]; then usage "$1 needs a value"; fi
                case $1 in
                    --root) root=$2 ;;
                    --prefix) prefix=$2 ;;
                    --binary) binary=$2 ;;
                    --seed-phrase-file) seed_file=$2 ;;
                esac
                shift
                ;;
            --uninstall) uninstall=1 ;;
            --purge) purge=1 ;;
            -h | --help)
                printf '%s' "$HELP"
                exit 0
                ;;
            # What stands here may be a seed phrase that somebody typed: it is not repeated.
            -*) usage 'there is an option that it does not know' ;;
            *) usage 'it takes options only; the seed phrase never belongs on a command line' ;;
        esac
        shift
    done
    ((purge == 0 || uninstall == 1)) || usage '--purge goes with --uninstall'
    ((uninstall == 0)) || [[ -z $binary$seed_file ]] || usage '--uninstall installs nothing'
    [[ -z $prefix ]] || is_prefix "$prefix" ||
        usage '--prefix must be a path from / on, without spaces'
}

is_prefix() { [[ $1 =~ ^/[A-Za-z0-9._/+-]*$ ]]; }

# find_prefix: without --prefix what is installed stays where it is.
find_prefix() {
    local line
    [[ -z $prefix ]] || return 0
    prefix=/usr/local
    [[ -f $unit ]] || return 0
    while IFS= read -r line || [[ -n $line ]]; do
        [[ $line =~ ^ExecStart=([^[:space:]]*)/bin/allora-worker([[:space:]]|$) ]] || continue
        line=${BASH_REMATCH[1]:-/}
        if is_prefix "$line"; then prefix=$line; fi
    done <"$unit"
}

settle_paths() {
    if [[ -n $root ]]; then
        make_folder "$root"
        root=$(cd -- "$root" && pwd)
        [[ $root != / ]] || root=''
    fi
    if [[ -z $root ]] && ((EUID != 0)); then
        fail 'this changes the system; type: sudo ./install.sh (or use --root DIR)'
    fi
    unit=$root/etc/systemd/system/allora-worker.service
    find_prefix
    prefix=${prefix%/}
    bin=$root$prefix/bin/allora-worker
    page=$root$prefix/share/man/man8/allora-worker.8
    etc=$root/etc/allora-worker
    config=$etc/config.json
    seed=$etc/seed_phrase
    # There from before the unit is written until it is enabled: an installation that was cut short
    # in between is finished by the next run.
    owed=$etc/.enable_owed
    # Where these are for the user, who may move what is below --root.
    shown_config=/etc/allora-worker/config.json
    shown_seed=/etc/allora-worker/seed_phrase
}

# Whether systemd runs here and is to be told.
has_systemd() { [[ -z $root && -d /run/systemd/system ]] && command -v systemctl >/dev/null; }

# ---------------------------------------------------------------------------------------------
# The configuration: the one change that is made to it replaces a single member of the outermost
# object. Text that can't be taken apart for certain is left as it is.

# read_config FILE: takes the text apart at its quotation marks into `texts`, which alternates
# between what is outside of strings and what is inside, and finds the members that matter:
#   words_at, file_at   the place of the key `seed_phrase` or `seed_phrase_file`, or nothing
#   odd                 why the text can't be changed safely, or nothing
read_config() {
    local -a pieces
    local piece text='' rest inside=0 depth=0 bytes
    texts=() words_at='' file_at='' odd=''
    bytes=$(stat -L -c %s -- "$1")
    if ((bytes > CONFIG_BYTES_MAX)); then
        odd='it is larger than a configuration can be'
        return
    fi
    mapfile -d '"' -t pieces <"$1"
    for piece in "${pieces[@]}"; do
        text+=$piece
        if ((inside)); then
            # An odd number of backslashes before a quotation mark makes it a part of the string.
            rest=${text%"${text##*[!\\]}"}
            if (((${#text} - ${#rest}) % 2)); then
                text+='"'
                continue
            fi
        else
            note_key
            rest=${text//[^\{\[]/}
            depth=$((depth + ${#rest}))
            rest=${text//[^\}\]]/}
            depth=$((depth - ${#rest}))
        fi
        texts+=("$text")
        text='' inside=$((1 - inside))
    done
    # mapfile drops what a text can't have, such as zero bytes; and a string must have its end.
    ((inside == 1 && depth == 0)) && [[ -z $text ]] || odd='it is no complete JSON'
    text=$(printf '%s"' "${texts[@]}")
    ((${#text} - 1 == bytes)) || odd='it is no JSON text'
}

# note_key: called with `text`, which follows the last string: was that a key of the object?
note_key() {
    local count=${#texts[@]} key
    ((count > 0 && depth == 1)) && [[ $text =~ ^[[:space:]]*: ]] || return 0
    key=${texts[count - 1]}
    [[ $key != *\\* ]] || odd='a key of it is written with a backslash'
    case $key in
        seed_phrase)
            [[ -z $words_at ]] || odd='it has the key seed_phrase twice'
            words_at=$((count - 1))
            ;;
        seed_phrase_file)
            [[ -z $file_at ]] || odd='it has the key seed_phrase_file twice'
            file_at=$((count - 1))
            ;;
    esac
}

# value_of PLACE: the string that is the value of the key there, in `value`; false if the value is
# no string.
value_of() {
    value=''
    [[ ${texts[$1 + 1]} =~ ^[[:space:]]*:[[:space:]]*$ ]] || return 1
    value=${texts[$1 + 2]-}
}

# write_config FILE: the text as it is in `texts` now.
write_config() {
    local count=${#texts[@]}
    { printf '%s"' "${texts[@]:0:count-1}" && printf '%s' "${texts[count - 1]}"; } >"$1"
}

# by_hand FILE: what to do about a configuration that can't be changed safely.
by_hand() {
    fail "$1 can't be changed safely: $odd.
Nothing was changed. Put the words into a file that only root can read, take the member
\"seed_phrase\" out of $1, write \"seed_phrase_file\": \"seed_phrase\" instead,
and run: install.sh --seed-phrase-file FILE"
}

# ---------------------------------------------------------------------------------------------
# The words

# read_seed_file FILE: the words of a file, into `words`.
read_seed_file() {
    [[ -f $1 && -r $1 ]] || fail "no seed phrase can be read from $1"
    (($(stat -L -c %s -- "$1") <= SEED_BYTES_MAX)) || fail "$1 is too large for a seed phrase"
    IFS= read -r -d '' words <"$1" || true
}

# ask_for_words: asks on the terminal, without echo, into `words`; an empty answer is one too.
ask_for_words() {
    local line
    words=''
    { exec 3<>/dev/tty; } 2>/dev/null || return 0
    trap 'stty echo <&3; printf "\n" >&3; exit 130' INT TERM
    printf 'Seed phrase of the wallet, 12 to 24 words, not shown (empty: later): ' >&3
    IFS= read -r -s -u 3 line || line=''
    printf '\n' >&3
    trap - INT TERM
    words=$line
    exec 3>&-
}

# neaten: leaves single spaces between the words of `words`, and them in `list`.
neaten() {
    local IFS=$' \t\r\n'
    set -f
    # shellcheck disable=SC2206 # why: the words are to be split, and -f keeps them from matching
    list=($words)
    set +f
    IFS=' '
    words="${list[*]}"
}

# check_words: neatens them; wrong ones end the installation.
check_words() {
    local -a list
    local word
    neaten
    case ${#list[@]} in
        12 | 15 | 18 | 21 | 24) ;;
        *) fail "the seed phrase has ${#list[@]} words; it must have 12, 15, 18, 21 or 24" ;;
    esac
    for word in "${list[@]}"; do
        [[ $word =~ ^[A-Za-z]+$ ]] || fail 'the seed phrase has a word that is not of letters alone'
    done
}

# agree_with_key TEXT WHERE: is this the key that is installed? With another one beside it the
# service and the commands by hand would use two wallets.
agree_with_key() {
    local words=$1 theirs
    local -a list
    neaten
    theirs=$words
    read_seed_file "$seed"
    neaten
    [[ $words == "$theirs" ]] || fail "$2 holds other words than $shown_seed.
Nothing was changed. Decide which wallet it is to be: delete the words in $2,
or take $shown_seed away (it may be the only copy) and run this again"
}

# warn_of_spare: the configuration beside this script has no part in an upgrade. Nor have words that
# somebody has written into it, and maybe expects to be used.
warn_of_spare() {
    local value spare=$here/config.json
    [[ -f $spare && -r $spare && ! $spare -ef $config ]] || return 0
    read_config "$spare"
    if [[ -n $odd ]] || { [[ -n $words_at ]] && { ! value_of "$words_at" ||
        [[ $value == *[![:space:]]* ]]; }; }; then
        warn "$spare was not used, $shown_config is there already;
if it holds a seed phrase, delete it there"
    fi
}

# ---------------------------------------------------------------------------------------------
# Installing

find_binary() {
    local place
    if [[ -n $binary ]]; then
        [[ -f $binary ]] || fail "there is no file $binary"
        binary=$(realpath -- "$binary")
        try_binary
        return
    fi
    for place in "$here/allora-worker" "$here/target/$(uname -m)-unknown-linux-musl/release/allora-worker" \
        "$here/target/release/allora-worker"; do
        if [[ -f $place ]]; then
            binary=$place
            try_binary
            return
        fi
    done
    fail 'there is no worker to install yet; type: make musl (or make build)'
}

# try_binary: before anything is changed. What goes below --root may be for another machine.
try_binary() {
    local start='' said
    if [[ -n $root ]]; then
        IFS= read -r -d '' -N 4 start <"$binary" 2>/dev/null || true
        [[ $start == $'\x7fELF' ]] || fail "$binary is no program for Linux; nothing was changed"
    elif ! said=$("$binary" --version 2>/dev/null) || [[ $said != 'allora-worker '* ]]; then
        fail "$binary does not run here; nothing was changed.
This machine is $(uname -m): is the worker for it? May the file be executed (chmod +x), in this folder?"
    fi
}

# plan_key: decides what becomes of the configuration and of the key. Nothing is written yet.
#   new_config   whether `texts` has to be written as the configuration
#   words        the words to be written, or nothing
plan_key() {
    local source=$config value
    new_config=0 words='' moved=0 hint='' copy=''
    [[ ! -e $seed || -z $seed_file ]] ||
        fail "$shown_seed is there already and is kept; remove it first"
    if [[ -e $config ]]; then
        warn_of_spare
    else
        source=$here/config.json
        [[ -f $source ]] || fail "there is no $source to begin with"
        new_config=1
    fi
    read_config "$source"
    if ((new_config == 0)) && [[ -e $seed ]]; then
        look_at_kept
        return 0
    fi
    [[ -z $odd ]] || ((new_config == 0)) || by_hand "$source"
    [[ -z $words_at ]] || plan_words_of "$source"
    [[ -z $file_at ]] || plan_file_of "$source"
    if ((new_config && ${#texts[@]} > 1)) && [[ -z $words_at$file_at ]]; then
        # The first key of the object gets a neighbour before it.
        texts=("${texts[0]}" seed_phrase_file ': ' seed_phrase $',\n  ' "${texts[@]:1}")
    fi
    if ((new_config == 0)) && [[ -z $file_at ]]; then
        hint="for commands by hand, write \"seed_phrase_file\": \"seed_phrase\" into $shown_config"
    fi
    [[ -e $seed || -n $words ]] || obtain_words
    if ((new_config)) && [[ -L $config ]]; then
        odd='it is a symbolic link'
        by_hand "$config"
    fi
}

# look_at_kept: configuration and key are both there and stay. A second key in or behind the
# configuration is the one thing that is not passed over.
look_at_kept() {
    if [[ -n $odd ]]; then
        warn "$shown_config can't be looked into for words: $odd"
        return
    fi
    if [[ -n $words_at ]]; then
        if ! value_of "$words_at" || [[ $value == *\\* ]]; then
            warn "the seed_phrase in $shown_config is no plain text; delete it, $shown_seed is used"
        elif [[ $value == *[![:space:]]* ]]; then
            agree_with_key "$value" "$shown_config"
            warn "$shown_config still holds the seed phrase, as $shown_seed does;
write \"seed_phrase_file\": \"seed_phrase\" there instead of the member \"seed_phrase\""
        fi
    fi
    if [[ -n $file_at ]] && value_of "$file_at" && [[ $value != *\\* ]]; then
        compare_file "$config"
    fi
}

# compare_file FILE: `value` is the seed_phrase_file of this configuration; the words behind it must
# not be others than those of the key that is there.
compare_file() {
    [[ $value == /* ]] || value=$(dirname -- "$1")/$value
    [[ -f $value && -r $value && ! $value -ef $seed ]] || return 0
    local words
    read_seed_file "$value"
    agree_with_key "$words" "$value"
    copy=$value
}

# plan_words_of FILE: the configuration has the key seed_phrase.
plan_words_of() {
    if ! value_of "$words_at"; then
        odd=${odd:-its seed_phrase is no text}
    elif [[ $value == *\\* ]]; then
        odd=${odd:-its seed_phrase is written with backslashes}
    fi
    if [[ -n $odd ]]; then
        by_hand "$1"
    elif [[ $value != *[![:space:]]* ]]; then
        # An empty text in a configuration that is already in use does no harm.
        if ((new_config == 0)); then return; fi
    elif [[ -n $file_at ]]; then
        odd='it has both seed_phrase and seed_phrase_file'
        by_hand "$1"
    elif [[ -n $seed_file ]]; then
        odd='it holds a seed phrase, and --seed-phrase-file names another'
        by_hand "$1"
    elif [[ -e $seed ]]; then
        agree_with_key "$value" "$1"
        copy=$1
    else
        words=$value moved=1 new_config=1
        check_words
    fi
    if [[ -z $file_at ]]; then
        texts[words_at]=seed_phrase_file
        texts[words_at + 2]=seed_phrase
    fi
}

# plan_file_of FILE: the configuration names a file, relative to itself, which becomes ours.
plan_file_of() {
    if [[ -n $odd ]] || ! value_of "$file_at" || [[ $value == *\\* ]]; then
        odd=${odd:-its seed_phrase_file is no plain text}
        by_hand "$1"
    fi
    if [[ -e $seed ]]; then
        compare_file "$1"
    else
        [[ $value == /* ]] || value=$(dirname -- "$1")/$value
        if [[ -f $value && -n $seed_file && ! $value -ef $seed_file ]]; then
            odd="it names $value, and --seed-phrase-file names another"
            by_hand "$1"
        fi
        [[ ! -f $value ]] || seed_file=$value
    fi
    if ((new_config)); then
        texts[file_at + 2]=seed_phrase
    fi
}

# obtain_words: from the file that is named, or from the user.
obtain_words() {
    if [[ -n $seed_file ]]; then
        read_seed_file "$seed_file"
        check_words
        copy=$seed_file
    else
        ask_for_words
        [[ -z $words ]] || check_words
    fi
}

# stage: writes what is new beside its place, into a folder that only root can enter.
stage() {
    make_folder "$etc"
    rm -rf -- "$etc"/.new.* # why: a run that was killed left the words there
    new=$(mktemp -d -- "$etc/.new.XXXXXXXX")
    trap 'rm -rf -- "$new"' EXIT
    if ((new_config)); then
        write_config "$new/config.json"
    else
        cat -- "$config" >"$new/config.json"
    fi
    if [[ -n $words ]]; then
        printf '%s\n' "$words" >"$new/seed_phrase"
    elif [[ -e $seed ]]; then
        cat -- "$seed" >"$new/seed_phrase"
    fi
    words=''
}

# ask_worker: lets the worker look at the words; `address` is what it made of them, or nothing.
ask_worker() {
    local code=0
    address=''
    [[ -e $new/seed_phrase ]] || return 0
    address=$(CREDENTIALS_DIRECTORY=$new "$binary" address --config "$new/config.json" 2>&1) || code=$?
    case $code in
        0) ;;
        # 3: it looked and found a mistake; it names no words. Otherwise it does not run here.
        3)
            if [[ -e $seed ]]; then
                warn "the worker says: $address"
            else
                fail "nothing was installed; the worker says: $address"
            fi
            address=''
            ;;
        *) address='' ;;
    esac
}

# put MODE SOURCE TARGET: in one step, so that nobody sees half of it.
put() {
    make_folder "$(dirname -- "$3")"
    install -m "$1" -- "$2" "$3.new"
    mv -f -- "$3.new" "$3"
}

install_key_and_config() {
    if [[ ! -e $seed && -e $new/seed_phrase ]]; then
        sync -- "$new/seed_phrase"
        mv -- "$new/seed_phrase" "$seed"
        if ((moved)); then
            say "the seed phrase was moved to $shown_seed, readable for root alone"
        else
            say "the seed phrase is in $shown_seed, readable for root alone"
        fi
    fi
    if ((new_config)); then
        sync -- "$new/config.json"
        if [[ -e $config ]]; then
            say "$shown_config names it instead of holding the words; nothing else in it changed"
        else
            say "the configuration is in $shown_config"
            ((moved == 0)) || copy=$here/config.json
        fi
        mv -f -- "$new/config.json" "$config"
    else
        say "$shown_config was kept as it is"
    fi
    [[ -z $copy ]] || say "the words are still in $copy too: delete them there"
}

install_program() {
    local text
    if ((upgrade == 0)) && [[ -z $root ]]; then : >"$owed"; fi
    put 755 "$binary" "$bin"
    say "the worker is in $prefix/bin/allora-worker"
    # `$(<…)` takes away the newline at the end.
    text=$(<"$here/allora-worker.service")
    printf '%s\n' "${text//\/usr\/local\/bin\/allora-worker/$prefix\/bin\/allora-worker}" \
        >"$new/unit"
    put 644 "$new/unit" "$unit"
    say 'the unit is in /etc/systemd/system/allora-worker.service'
    if [[ -f $here/allora-worker.8 ]]; then
        put 644 "$here/allora-worker.8" "$page"
    fi
}

tell_systemd() {
    if ! has_systemd; then
        if [[ -z $root ]]; then
            say 'systemd does not run here: the service was neither enabled nor started'
        fi
        return 0
    fi
    systemctl daemon-reload
    if [[ -e $owed ]]; then
        systemctl enable allora-worker
        rm -f -- "$owed"
        say 'the service starts at boot from now on'
    fi
    ((upgrade)) || return 0
    if ! systemctl --quiet is-active allora-worker; then
        say 'the service does not run; it was left so'
    elif systemctl try-restart allora-worker; then
        say 'the running service was restarted with the new worker'
    else
        fail 'the new worker did not start; type: journalctl -u allora-worker -e'
    fi
}

say_what_next() {
    local command=allora-worker
    [[ $prefix == /usr/local || $prefix == /usr ]] || command=$prefix/bin/allora-worker
    if [[ ! -e $seed ]]; then
        say "no seed phrase yet; put it where the service looks for it, by one of:
  $command keygen --out $shown_seed    # a new wallet
  install.sh --seed-phrase-file FILE    # that of a wallet that you have"
    elif [[ -n $address ]]; then
        say "the wallet's address, to be funded: $address"
    fi
    [[ -z $hint ]] || say "$hint"
    ((upgrade)) || say "fill in $shown_config: api_url, and each topic's inference_url"
    say "next:
  $command check --config $shown_config
  systemctl start allora-worker
  journalctl -u allora-worker -f"
}

install_all() {
    upgrade=0
    [[ ! -e $unit ]] || upgrade=1
    [[ -f $here/allora-worker.service ]] || fail "there is no $here/allora-worker.service"
    find_binary
    plan_key
    stage
    ask_worker
    install_key_and_config
    install_program
    tell_systemd
    say_what_next
}

# ---------------------------------------------------------------------------------------------
# Taking away

uninstall_all() {
    local file
    if has_systemd && [[ -e $unit ]]; then
        systemctl disable --now allora-worker
    fi
    for file in "$unit" "$bin" "$page"; do
        [[ -e $file ]] || continue
        rm -f -- "$file"
        say "removed: ${file#"$root"}"
    done
    if has_systemd; then systemctl daemon-reload; fi
    # What runs that were killed may have left, the words among it.
    rm -rf -- "$etc"/.new.* "$owed" "$unit.new" "$bin.new" "$page.new"
    if ((purge)); then
        for file in "$config" "$seed"; do
            [[ -e $file ]] || continue
            rm -f -- "$file"
            say "removed: ${file#"$root"}"
        done
        [[ ! -d $etc ]] || rmdir -- "$etc" 2>/dev/null || say 'kept, it holds other files: /etc/allora-worker'
    else
        for file in "$config" "$seed"; do
            [[ ! -e $file ]] || say "kept: ${file#"$root"} (--purge takes it away)"
        done
    fi
}

main() {
    read_arguments "$@"
    settle_paths
    if ((uninstall)); then uninstall_all; else install_all; fi
}

main "$@"
