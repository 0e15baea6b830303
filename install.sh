#!/usr/bin/env bash
# Installs, upgrades or uninstalls allora-worker as a systemd service. Needs bash 4.4 and coreutils.
#
# The seed phrase only passes through this shell's memory and through files that only root can read,
# never through an argument, the environment, a log or a here-document.
{ set +x; } 2>/dev/null # why: a trace would show the seed phrase
set -euo pipefail
export LC_ALL=C
umask 077
# If variables of these names were exported, the environment would pass the seed phrase on.
set +a
unset words theirs value text texts piece pieces rest line list word
# With CDPATH set, `cd` could enter another folder and print its name.
unset CDPATH

readonly HELP='Installs allora-worker as a systemd service, or upgrades it.

Usage: install.sh [--seed-phrase-file FILE] [--encrypt] [--binary FILE] [--prefix DIR]
                  [--root DIR]
       install.sh --uninstall [--purge] [--prefix DIR] [--root DIR]

Options:
  --seed-phrase-file FILE   reads the seed phrase of the wallet from FILE; without it, the seed
                            phrase is moved out of the configuration, or asked for
  --encrypt                 keeps the seed phrase encrypted, so that only this machine can read it;
                            needs systemd 250 or newer. Keep a copy of the seed phrase elsewhere
  --binary FILE             the worker to install, instead of the one beside this script
  --prefix DIR              where bin/allora-worker goes; by default the prefix of the installed
                            unit, or /usr/local
  --root DIR                installs below DIR and does not touch the running system
  --uninstall               stops the service, removes the unit and the binary
  --purge                   with --uninstall: removes the configuration and the key too
  --help                    this text

Installs PREFIX/bin/allora-worker, its manual page and completions for bash, zsh and fish below
PREFIX/share, and /etc/systemd/system/allora-worker.service, and, unless they exist,
/etc/allora-worker/config.json and /etc/allora-worker/seed_phrase (with --encrypt:
seed_phrase.cred).
'
# Below packaging/ here, and below the prefix where they are installed.
readonly SHARED=(share/man/man8/allora-worker.8 share/bash-completion/completions/allora-worker
    share/zsh/site-functions/_allora-worker share/fish/vendor_completions.d/allora-worker.fish)
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

# make_folder DIR: creates the folder; an existing one keeps its mode.
make_folder() { [[ -d $1 ]] || install -d -m 755 -- "$1"; }

# The folder of the script itself, even if it was started through a symbolic link.
here=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
root='' prefix='' binary='' seed_file='' encrypt=0 uninstall=0 purge=0

read_arguments() {
    while (($# > 0)); do
        case $1 in
            --root | --prefix | --binary | --seed-phrase-file)
                if (($# < 2)) || [[ -z $2 ]]; then usage "$1 needs a value"; fi
                ! is_secret "$2" || usage "the value of $1 looks like a seed phrase or a private key.
It was not used. Remove it from your shell's history, and write the seed phrase into a file"
                case $1 in
                    --root) root=$2 ;;
                    --prefix) prefix=$2 ;;
                    --binary) binary=$2 ;;
                    --seed-phrase-file) seed_file=$2 ;;
                esac
                shift
                ;;
            --encrypt) encrypt=1 ;;
            --uninstall) uninstall=1 ;;
            --purge) purge=1 ;;
            -h | --help)
                printf '%s' "$HELP"
                exit 0
                ;;
            # The argument may be a seed phrase typed by mistake, so it is not repeated.
            -*) usage 'unknown option' ;;
            *) usage 'only options are accepted; never put the seed phrase on a command line' ;;
        esac
        shift
    done
    ((purge == 0 || uninstall == 1)) || usage '--purge needs --uninstall'
    ((uninstall == 0)) || [[ -z $binary$seed_file ]] || usage '--uninstall cannot be used with --binary or --seed-phrase-file'
    ((encrypt == 0 || uninstall == 0)) || usage '--uninstall cannot be used with --encrypt'
    ((encrypt == 0)) || [[ -z $root ]] ||
        usage '--encrypt cannot be used with --root: only the machine that runs the worker can encrypt its key'
    [[ -z $prefix ]] || is_prefix "$prefix" ||
        usage '--prefix must be an absolute path without spaces and without ..'
}

# is_secret TEXT: whether TEXT is at least eight words or 64 hexadecimal digits.
is_secret() {
    [[ $1 =~ ([A-Za-z]+[[:space:],;]+){7}[A-Za-z] || $1 =~ ^(0x)?[0-9A-Fa-f]{64}$ ]]
}

is_prefix() { [[ $1 =~ ^/[A-Za-z0-9._/+-]*$ && $1/ != */../* ]]; }

# find_prefix: without --prefix, uses the prefix of the installed unit, so that an upgrade replaces
# the installed binary.
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
        root=$(realpath -m -- "$root")
        if [[ $root == / || $root -ef / ]]; then
            fail '--root leads to the root of the running system; leave it out to install there'
        fi
        make_folder "$root"
    fi
    if [[ -z $root ]] && ((EUID != 0)); then
        fail 'root is required; type: sudo ./install.sh (or use --root DIR)'
    fi
    unit=$root/etc/systemd/system/allora-worker.service
    stays_below_root "$unit"
    find_prefix
    prefix=${prefix%/}
    bin=$root$prefix/bin/allora-worker
    shared=("${SHARED[@]/#/$root$prefix/}")
    etc=$root/etc/allora-worker
    config=$etc/config.json
    seed=$etc/seed_phrase
    cred=$etc/seed_phrase.cred
    # Exists from before the unit is written until the unit is enabled. If an installation is
    # interrupted in between, the next run sees this file and enables the unit.
    owed=$etc/.enable_owed
    # The paths that messages show: without --root, since packagers move what is below it.
    shown_config=/etc/allora-worker/config.json
    shown_seed=/etc/allora-worker/seed_phrase
    shown_cred=/etc/allora-worker/seed_phrase.cred
    stays_below_root "$bin" "${shared[@]}" "$etc" "$config" "$seed" "$cred"
    guard_files
}

# stays_below_root PATH...: ends the installation if a link leads one of the paths out of --root:
# files of the running system would be read or replaced.
stays_below_root() {
    local path real
    [[ -n $root ]] || return 0
    for path; do
        real=$(realpath -m -- "$path")
        [[ $real == "$root"/* ]] ||
            fail "a link leads $path out of --root, to $real; nothing was changed.
Replace it by a folder, or by a relative link that stays below $root"
    done
}

# guard_files: ends the installation if the folder or one of its files is not what it should be.
# systemd reads them as root: who can change the folder can replace the key.
guard_files() {
    local file owner mode
    [[ -e $etc || -L $etc ]] || return 0
    [[ -d $etc && ! -L $etc ]] ||
        fail "$etc must be a folder; nothing was changed. Move it elsewhere and run this again"
    owner=$(stat -c %u -- "$etc")
    mode=$(stat -c %a -- "$etc")
    if ((owner != EUID || 8#$mode & 8#022)); then
        fail "other users can change $etc (owner $owner, mode $mode), and so the key.
Nothing was changed. Look at what is in it, then type:
  chown ${EUID/#0/root} $etc && chmod 755 $etc"
    fi
    for file in "$config" "$seed" "$cred"; do
        [[ -e $file || -L $file ]] || continue
        is_own_file "$file" || fail "$file $why_not; nothing was changed.
Move it elsewhere and run this again"
    done
}

# is_own_file FILE: whether FILE is a readable plain file, or a link to one of the same owner. If not,
# sets `why_not`. Reading a named pipe would wait for ever, and another user's file can change later.
is_own_file() {
    why_not='is not a plain file'
    [[ -f $1 ]] || return 1
    why_not='is a link to a file of another user'
    [[ ! -L $1 || $(stat -c %u -- "$1") == "$(stat -L -c %u -- "$1")" ]] || return 1
    why_not='is not readable'
    [[ -r $1 ]]
}

# has_systemd: systemd is running, and this is not an installation below --root.
has_systemd() { [[ -z $root && -d /run/systemd/system ]] && command -v systemctl >/dev/null; }

# ---------------------------------------------------------------------------------------------
# The configuration. Only one change is ever made to it: a member of the outermost object is
# replaced. A text that can't be parsed with certainty is left as it is.

# read_config FILE: splits the text at its quotation marks into `texts`, which alternates between
# text outside and inside of strings, and finds the members that matter:
#   words_at, file_at   index of the key `seed_phrase` or `seed_phrase_file`, or empty
#   chain_named         1 if it has the key `network` or `chain_id`
#   odd                 why the text can't be changed safely, or empty
read_config() {
    local -a pieces
    local piece text='' rest inside=0 depth=0 bytes
    texts=() words_at='' file_at='' chain_named=0 odd=''
    bytes=$(stat -L -c %s -- "$1")
    if ((bytes > CONFIG_BYTES_MAX)); then
        odd='it is too large for a configuration'
        return
    fi
    mapfile -d '"' -t pieces <"$1"
    for piece in "${pieces[@]}"; do
        text+=$piece
        if ((inside)); then
            # After an odd number of backslashes, a quotation mark belongs to the string.
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
    # mapfile drops zero bytes, which the comparison of lengths detects; a string must end.
    ((inside == 1 && depth == 0)) && [[ -z $text ]] || odd='it is not complete JSON'
    text=$(printf '%s"' "${texts[@]}")
    ((${#text} - 1 == bytes)) || odd='it is not JSON text'
}

# note_key: notes the last string if it is a key of the outermost object: `text` follows it.
note_key() {
    local count=${#texts[@]} key
    ((count > 0 && depth == 1)) && [[ $text =~ ^[[:space:]]*: ]] || return 0
    key=${texts[count - 1]}
    [[ $key != *\\* ]] || odd='one of its keys contains a backslash'
    case $key in
        seed_phrase)
            [[ -z $words_at ]] || odd='it has the key seed_phrase twice'
            words_at=$((count - 1))
            ;;
        seed_phrase_file)
            [[ -z $file_at ]] || odd='it has the key seed_phrase_file twice'
            file_at=$((count - 1))
            ;;
        network | chain_id) chain_named=1 ;;
    esac
}

# value_of INDEX: sets `value` to the string value of the key at INDEX; fails if it is not a string.
value_of() {
    value=''
    [[ ${texts[$1 + 1]} =~ ^[[:space:]]*:[[:space:]]*$ ]] || return 1
    value=${texts[$1 + 2]-}
}

# write_config FILE: writes `texts` back as one text.
write_config() {
    local count=${#texts[@]}
    { printf '%s"' "${texts[@]:0:count-1}" && printf '%s' "${texts[count - 1]}"; } >"$1"
}

# by_hand FILE: ends with an explanation of how to change the configuration by hand.
by_hand() {
    fail "$1 can't be changed safely: $odd.
Nothing was changed. Put the seed phrase into a file that only root can read, replace the member
\"seed_phrase\" in $1 by \"seed_phrase_file\": \"seed_phrase\",
and run: install.sh --seed-phrase-file FILE"
}

# ---------------------------------------------------------------------------------------------
# The seed phrase

# has_key: a key is installed.
has_key() { [[ -e $seed || -e $cred ]]; }

# read_key: reads the seed phrase of the installed key into `words`.
read_key() {
    if [[ ! -e $cred ]]; then
        read_seed_file "$seed"
    elif ! words=$(decrypt "$cred"); then
        fail "$shown_cred can't be decrypted on this machine; nothing was changed.
Move it elsewhere and run: install.sh --encrypt --seed-phrase-file FILE"
    fi
}

decrypt() { systemd-creds decrypt --name=seed_phrase -- "$1" - 2>/dev/null; }

# read_seed_file FILE: reads the seed phrase of a file into `words`.
read_seed_file() {
    is_own_file "$1" || fail "cannot read a seed phrase from $1: it $why_not"
    (($(stat -L -c %s -- "$1") <= SEED_BYTES_MAX)) || fail "$1 is too large for a seed phrase"
    IFS= read -r -d '' words <"$1" || true
}

# ask_for_words: asks on the terminal, without echo, and sets `words`; an empty answer is allowed.
ask_for_words() {
    local line
    words=''
    { exec 3<>/dev/tty; } 2>/dev/null || return 0
    trap 'stty echo <&3; printf "\n" >&3; exit 130' INT TERM
    # The echo is off before the question shows, so that a quick paste is not shown either.
    stty -echo <&3
    printf 'Seed phrase of the wallet, 12 to 24 words, not shown (empty: later): ' >&3
    IFS= read -r -s -u 3 line || line=''
    stty echo <&3
    printf '\n' >&3
    trap - INT TERM
    words=$line
    exec 3>&-
}

# neaten: reduces white space in `words` to single spaces, and splits it into `list`.
neaten() {
    local IFS=$' \t\r\n'
    set -f
    # shellcheck disable=SC2206 # why: splitting is wanted, and -f prevents globbing
    list=($words)
    set +f
    IFS=' '
    words="${list[*]}"
}

# check_words: neatens `words` and ends the installation if they can't be a seed phrase.
check_words() {
    local -a list
    local word
    neaten
    case ${#list[@]} in
        12 | 15 | 18 | 21 | 24) ;;
        *) fail "the seed phrase has ${#list[@]} words; it must have 12, 15, 18, 21 or 24" ;;
    esac
    for word in "${list[@]}"; do
        [[ $word =~ ^[A-Za-z]+$ ]] || fail 'the seed phrase has a word with a character that is not a letter'
    done
}

# agree_with_key TEXT WHERE: ends the installation if the seed phrase TEXT, found in WHERE, is not
# the installed one: the service and commands typed by hand would then use different wallets.
agree_with_key() {
    local words=$1 theirs
    local -a list
    neaten
    theirs=$words
    read_key
    neaten
    [[ $words == "$theirs" ]] || fail "$2 holds another seed phrase than $(shown_key).
Nothing was changed. Decide which wallet to use: delete the seed phrase in $2,
or move $(shown_key) elsewhere (it may be the only copy) and run this again"
}

# shown_key: the installed key's file.
shown_key() { if [[ -e $cred ]]; then say "$shown_cred"; else say "$shown_seed"; fi; }

# warn_of_spare: warns if the configuration beside this script may hold a seed phrase. An upgrade
# does not use it, although its owner may expect so.
warn_of_spare() {
    local value spare=$here/config.json
    [[ -f $spare && -r $spare && ! $spare -ef $config ]] || return 0
    read_config "$spare"
    if [[ -n $odd ]] || { [[ -n $words_at ]] && { ! value_of "$words_at" ||
        [[ $value == *[![:space:]]* ]]; }; }; then
        warn "$spare was not used, because $shown_config exists;
if it holds a seed phrase, delete it there"
    fi
}

# ---------------------------------------------------------------------------------------------
# Installing

find_binary() {
    local place
    if [[ -n $binary ]]; then
        [[ -f $binary ]] || fail "$binary does not exist or is not a file"
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
    fail 'there is no worker to install; type: make musl (or make build)'
}

# try_binary: ends the installation before anything is changed if the binary does not run. Below
# --root it may be for another machine, so only its format is checked.
try_binary() {
    local start='' said
    if [[ -n $root ]]; then
        IFS= read -r -d '' -N 4 start <"$binary" 2>/dev/null || true
        [[ $start == $'\x7fELF' ]] || fail "$binary is not a Linux program; nothing was changed"
    elif ! said=$("$binary" --version 2>/dev/null) || [[ $said != 'allora-worker '* ]]; then
        fail "$binary does not run here; nothing was changed.
This machine is $(uname -m): was the worker built for it? Is the file executable (chmod +x), and may
programs in its folder be executed (noexec)?"
    fi
}

# plan_key: decides what happens to the configuration and the key. Nothing is written yet.
#   new_config   1 if `texts` is to be written as the configuration
#   words        the seed phrase to be written, or empty
plan_key() {
    local source=$config value
    new_config=0 words='' moved=0 hint='' copy='' encrypted=0
    if ((encrypt)); then
        { has_systemd && command -v systemd-creds >/dev/null; } ||
            fail '--encrypt needs systemd-creds, part of systemd 250 and newer; nothing was changed'
        encrypted=1
    elif [[ -e $cred ]]; then
        encrypted=1
    fi
    ! has_key || [[ -z $seed_file ]] ||
        fail "$(shown_key) already exists and is kept; move it elsewhere first"
    if [[ -e $config ]]; then
        warn_of_spare
    else
        source=$here/config.json
        [[ -f $source ]] || fail "$source does not exist"
        new_config=1
    fi
    read_config "$source"
    if ((chain_named == 0)) && [[ -z $odd ]]; then
        hint="no chain is named, so the first endpoint that answers decides for which chain the worker
signs; write \"network\": \"testnet\" or \"network\": \"mainnet\" into $shown_config"
    fi
    if ((new_config == 0)) && has_key; then
        look_at_kept
    else
        plan_new_key "$source"
    fi
    plan_encryption
}

# plan_new_key FILE: there is no key, or the configuration FILE beside this script is installed.
plan_new_key() {
    local source=$1
    [[ -z $odd ]] || ((new_config == 0)) || by_hand "$source"
    [[ -z $words_at ]] || plan_words_of "$source"
    [[ -z $file_at ]] || plan_file_of "$source"
    if ((new_config && ${#texts[@]} > 1)) && [[ -z $words_at$file_at ]]; then
        # The new key goes before the first key of the object.
        texts=("${texts[0]}" seed_phrase_file ': ' seed_phrase $',\n  ' "${texts[@]:1}")
    fi
    if ((new_config == 0)) && [[ -z $file_at ]]; then
        hint+=${hint:+$'\n'}"so that commands typed by hand find the seed phrase, write
  \"seed_phrase_file\": \"seed_phrase\"
into $shown_config"
    fi
    has_key || [[ -n $words ]] || obtain_words
    if ((new_config)) && [[ -L $config ]]; then
        odd='it is a symbolic link'
        by_hand "$config"
    fi
}

# plan_encryption: takes the seed phrase of a key that is to be encrypted into `words`. If an earlier
# run encrypted it and was interrupted, both files must hold the same one.
plan_encryption() {
    ((encrypted)) && [[ -e $seed ]] || return 0
    read_seed_file "$seed"
    if [[ -e $cred ]]; then
        agree_with_key "$words" "$shown_seed"
        words=''
    else
        check_words
    fi
}

# look_at_kept: configuration and key exist and stay, but a seed phrase in the configuration is
# replaced by the name of the key's file. Ends the installation if it, or the one in the file that
# the configuration names, is another one than the key's.
look_at_kept() {
    if [[ -n $odd ]]; then
        warn "$shown_config can't be searched for a seed phrase: $odd"
        return
    fi
    if [[ -n $words_at ]]; then
        if ! value_of "$words_at" || [[ $value == *\\* ]]; then
            warn "the seed_phrase in $shown_config is not a plain string; delete it, $(shown_key) is used"
        elif [[ $value == *[![:space:]]* ]]; then
            agree_with_key "$value" "$shown_config"
            if [[ -n $file_at || -L $config ]]; then
                warn "$shown_config still holds the seed phrase, which is in $(shown_key) too;
replace the member \"seed_phrase\" there by \"seed_phrase_file\": \"seed_phrase\""
            else
                # An earlier run was interrupted between writing the key and the configuration.
                new_config=1
                texts[words_at]=seed_phrase_file
                texts[words_at + 2]=seed_phrase
            fi
        fi
    fi
    if [[ -n $file_at ]] && value_of "$file_at" && [[ $value != *\\* ]]; then
        compare_file "$config"
    fi
}

# compare_file FILE: `value` is the seed_phrase_file of this configuration. Ends the installation if
# that file holds another seed phrase than the installed one.
compare_file() {
    [[ $value == /* ]] || value=$(dirname -- "$1")/$value
    [[ -e $value && ! $value -ef $seed ]] || return 0
    if ! is_own_file "$value"; then
        warn "$value, which the configuration names, was not compared with the key: it $why_not"
        return
    fi
    local words
    read_seed_file "$value"
    agree_with_key "$words" "$value"
    copy=$value
}

# plan_words_of FILE: the configuration FILE has the key seed_phrase.
plan_words_of() {
    if ! value_of "$words_at"; then
        odd=${odd:-its seed_phrase is not a string}
    elif [[ $value == *\\* ]]; then
        odd=${odd:-its seed_phrase contains backslashes}
    fi
    if [[ -n $odd ]]; then
        by_hand "$1"
    elif [[ $value != *[![:space:]]* ]]; then
        # An empty string in a configuration that is in use does no harm.
        if ((new_config == 0)); then return; fi
    elif [[ -n $file_at ]]; then
        odd='it has both seed_phrase and seed_phrase_file'
        by_hand "$1"
    elif [[ -n $seed_file ]]; then
        odd='it holds a seed phrase, and --seed-phrase-file names another'
        by_hand "$1"
    elif has_key; then
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

# plan_file_of FILE: the configuration FILE has the key seed_phrase_file. The file that it names,
# relative to FILE, becomes the installed seed phrase.
plan_file_of() {
    if [[ -n $odd ]] || ! value_of "$file_at" || [[ $value == *\\* ]]; then
        odd=${odd:-its seed_phrase_file is not a plain string}
        by_hand "$1"
    fi
    if is_secret "$value"; then
        odd='its seed_phrase_file looks like a seed phrase instead of the name of a file'
        by_hand "$1"
    fi
    if has_key; then
        compare_file "$1"
    else
        [[ $value == /* ]] || value=$(dirname -- "$1")/$value
        if [[ -e $value && -n $seed_file && ! $value -ef $seed_file ]]; then
            odd="it names $value, and --seed-phrase-file names another"
            by_hand "$1"
        fi
        [[ ! -e $value ]] || seed_file=$value
    fi
    if ((new_config)); then
        texts[file_at + 2]=seed_phrase
    fi
}

# obtain_words: takes the seed phrase from --seed-phrase-file or asks for it.
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

# remove_remains: removes the folders in which killed runs left the seed phrase.
remove_remains() {
    rm -rf -- "$etc"/.new.*
    [[ -n $root ]] || rm -rf -- /run/allora-worker-install.*
}

# stage: writes the new files into a folder beside their final place that only root can enter.
stage() {
    make_folder "$etc"
    remove_remains
    new=$(mktemp -d -- "$etc/.new.XXXXXXXX")
    trap 'rm -rf -- "$new" "$shown"' EXIT
    # The folder of the seed phrase that the worker is shown: in memory, if it must not be on a disk.
    shown=$new
    if ((encrypted)) && [[ -n $words ]]; then
        shown=$(mktemp -d /run/allora-worker-install.XXXXXXXX)
    fi
    if ((new_config)); then
        write_config "$new/config.json"
    else
        cat -- "$config" >"$new/config.json"
    fi
    if [[ -n $words ]]; then
        printf '%s\n' "$words" >"$shown/seed_phrase"
        ((encrypted == 0)) || encrypt_words
    elif [[ -e $seed ]]; then
        cat -- "$seed" >"$shown/seed_phrase"
    fi
    words=''
}

# encrypt_words: encrypts `words` into the staged key, and makes sure that it can be decrypted.
encrypt_words() {
    local said
    said=$(printf '%s\n' "$words" |
        systemd-creds encrypt --name=seed_phrase -- - "$new/seed_phrase.cred" 2>&1) ||
        fail "systemd-creds can't encrypt the seed phrase; nothing was changed: $said"
    [[ $(decrypt "$new/seed_phrase.cred") == "$words" ]] ||
        fail "systemd-creds can't decrypt what it encrypted; nothing was changed"
}

# ask_worker: has the worker check the seed phrase; sets `address` to the wallet's, or to nothing.
ask_worker() {
    local code=0
    address=''
    [[ -e $shown/seed_phrase ]] || return 0
    address=$(CREDENTIALS_DIRECTORY=$shown "$binary" address --config "$new/config.json" 2>&1) || code=$?
    case $code in
        0) ;;
        # 3: the worker found a mistake, and its message contains no word. Other codes: it does not
        # run here.
        3)
            if has_key; then
                warn "the worker reports: $address"
            else
                fail "nothing was installed; the worker reports: $address"
            fi
            address=''
            ;;
        *) address='' ;;
    esac
}

# put MODE SOURCE TARGET: installs a file in one step, so that a half-written one is never visible.
put() {
    make_folder "$(dirname -- "$3")"
    install -m "$1" -- "$2" "$3.new"
    mv -f -- "$3.new" "$3"
}

install_key_and_config() {
    if [[ -e $new/seed_phrase.cred ]]; then
        sync -- "$new/seed_phrase.cred"
        mv -- "$new/seed_phrase.cred" "$cred"
        say "the encrypted seed phrase is in $shown_cred; only this machine can decrypt it"
    elif ! has_key && [[ -e $new/seed_phrase ]]; then
        sync -- "$new/seed_phrase"
        mv -- "$new/seed_phrase" "$seed"
        if ((moved)); then
            say "the seed phrase was moved to $shown_seed, readable by root only"
        else
            say "the seed phrase is in $shown_seed, readable by root only"
        fi
    fi
    # Before the seed phrase disappears from one place, the other one is on the disk.
    sync -- "$etc"
    if ((new_config)); then
        sync -- "$new/config.json"
        if [[ -e $config ]]; then
            say "$shown_config now names $shown_seed instead of holding the seed phrase; nothing else changed"
        else
            say "the configuration is in $shown_config"
            ((moved == 0)) || copy=$here/config.json
        fi
        mv -f -- "$new/config.json" "$config"
    else
        say "$shown_config was kept as it is"
    fi
    [[ -z $copy ]] || say "the seed phrase is still in $copy too: delete it there"
}

install_program() {
    local text file
    if ((upgrade == 0)) && [[ -z $root ]]; then : >"$owed"; fi
    put 755 "$binary" "$bin"
    say "the worker is in $prefix/bin/allora-worker"
    # `$(<…)` removes the newline at the end.
    text=$(<"$here/allora-worker.service")
    if ((encrypted)); then
        text=${text/LoadCredential=seed_phrase:$shown_seed/LoadCredentialEncrypted=seed_phrase:$shown_cred}
        text=${text/AssertPathExists=$shown_seed/AssertPathExists=$shown_cred}
    fi
    if is_dynamic; then
        text=${text/$'\n'ExecPaths=/$'\n'ExecPaths=-/lib -/lib64 -/usr/lib -/usr/lib64 }
    fi
    printf '%s\n' "${text//\/usr\/local\/bin\/allora-worker/$prefix\/bin\/allora-worker}" \
        >"$new/unit"
    put 644 "$new/unit" "$unit"
    say 'the unit is in /etc/systemd/system/allora-worker.service'
    for file in "${SHARED[@]}"; do
        [[ ! -f $here/packaging/$file ]] || put 644 "$here/packaging/$file" "$root$prefix/$file"
    done
}

# is_dynamic: the worker is started by a dynamic linker, which is named at the start of the file.
is_dynamic() {
    local newline=$'\n' start
    start=$(head -c 4096 -- "$binary" | tr '\0' '\n')
    [[ $start =~ (^|$newline)/lib[^$newline]*/ld- ]]
}

tell_systemd() {
    if ! has_systemd; then
        if [[ -z $root ]]; then
            say 'systemd is not running: the service was neither enabled nor started'
        fi
        return 0
    fi
    systemctl daemon-reload
    if [[ -e $owed ]]; then
        systemctl enable allora-worker
        rm -f -- "$owed"
        say 'the service is enabled: it starts at boot'
    fi
    ((upgrade)) || return 0
    if ! systemctl --quiet is-active allora-worker; then
        say 'the service is not running and was not started'
    elif systemctl try-restart allora-worker; then
        say 'the running service was restarted with the new worker'
    else
        fail 'the new worker did not start; type: journalctl -u allora-worker -e'
    fi
}

# remove_plain_key: once the unit uses the encrypted key, the other one is removed.
remove_plain_key() {
    ((encrypted)) && [[ -e $cred && -e $seed ]] || return 0
    rm -f -- "$seed"
    say "$shown_seed was removed; without a copy elsewhere, the wallet is lost with this machine"
}

say_what_next() {
    local command=allora-worker check=''
    [[ $prefix == /usr/local || $prefix == /usr ]] || command=$prefix/bin/allora-worker
    # A command typed by hand gets the key from systemd, as the service does.
    ((encrypted == 0)) ||
        check="systemd-run --pipe --wait -p LoadCredentialEncrypted=seed_phrase:$shown_cred $prefix/bin/"
    if ! has_key; then
        say "no seed phrase yet; to create the file that the service reads, type one of:
  $command keygen --out $shown_seed    # a new wallet
  install.sh --seed-phrase-file FILE    # an existing wallet"
    elif [[ -n $address ]]; then
        say "the wallet's address, which needs ALLO: $address"
    fi
    [[ -z $hint ]] || say "$hint"
    ((upgrade)) || say "fill in $shown_config: network, and each topic's topic_id and inference_url"
    say "next:
  ${check:-${command%allora-worker}}allora-worker check --config $shown_config
  systemctl start allora-worker
  journalctl -u allora-worker -f"
}

install_all() {
    upgrade=0
    [[ ! -e $unit ]] || upgrade=1
    [[ -f $here/allora-worker.service ]] || fail "$here/allora-worker.service does not exist"
    find_binary
    plan_key
    stage
    ask_worker
    install_key_and_config
    install_program
    tell_systemd
    remove_plain_key
    say_what_next
}

# ---------------------------------------------------------------------------------------------
# Uninstalling

uninstall_all() {
    local file
    if has_systemd && [[ -e $unit ]]; then
        systemctl disable --now allora-worker
    fi
    for file in "$unit" "$bin" "${shared[@]}"; do
        [[ -e $file ]] || continue
        rm -f -- "$file"
        say "removed: ${file#"$root"}"
    done
    if has_systemd; then systemctl daemon-reload; fi
    remove_remains
    rm -rf -- "$owed" "$unit.new" "$bin.new" "${shared[@]/%/.new}"
    if ((purge)); then
        for file in "$config" "$seed" "$cred"; do
            [[ -e $file ]] || continue
            rm -f -- "$file"
            say "removed: ${file#"$root"}"
        done
        [[ ! -d $etc ]] || rmdir -- "$etc" 2>/dev/null || say 'kept: /etc/allora-worker (it holds other files)'
    else
        for file in "$config" "$seed" "$cred"; do
            [[ ! -e $file ]] || say "kept: ${file#"$root"} (--purge removes it)"
        done
    fi
}

main() {
    read_arguments "$@"
    settle_paths
    if ((uninstall)); then uninstall_all; else install_all; fi
}

main "$@"
