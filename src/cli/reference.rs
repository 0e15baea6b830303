//! Commands, options, files, environment variables and exit codes as data. Parsing, `--help` and
//! the manual page are all made of it, so that they cannot contradict each other.
//!
//! A row of a table has three columns with ` | ` between them: the commands that it belongs to (all
//! of them: `*`), a term, and its meaning.

/// A command, or the program itself.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandHelp {
    pub name: &'static str,
    /// What it does, as the list of commands shows it.
    pub summary: &'static str,
    /// How it is typed, without the program's name.
    pub usage: &'static [&'static str],
    /// Paragraphs.
    pub description: &'static [&'static str],
}

pub const PROGRAM: CommandHelp = CommandHelp {
    name: "allora-worker",
    summary: "serves topics of the Allora Network with the inferences of your models",
    usage: &[
        "[run] [--config FILE] [--log-dir DIR]",
        "check [--json] [--config FILE]",
        "check --health [--config FILE]",
        "status [--watch | --json] [--config FILE]",
        "keygen [--words COUNT] --out FILE [--show]",
        "address [--config FILE]",
        "import FILE",
        "[COMMAND] --help | --version | --generate KIND",
    ],
    description: &[
        "Without a command it runs: it watches the submission windows of the configured topics. When \
         one opens, it asks the topic's model for an inference, signs it and gets it into a block of \
         the chain.",
    ],
};

/// The first one is the default.
pub const COMMANDS: [CommandHelp; 6] = [
    CommandHelp {
        name: "run",
        summary: "serve the configured topics until stopped (the default)",
        usage: &["[run] [--config FILE] [--log-dir DIR]"],
        description: &[
            "Watches the submission windows of the configured topics. When one opens, asks the \
             topic's model for an inference, signs it and gets it into a block. Registers the worker \
             where it is not registered yet. Temporary or external problems never stop the worker; \
             it waits.",
            "SIGTERM, SIGINT and SIGHUP stop it: nothing new is started, and what is in flight is awaited \
             for 5 s. A second SIGTERM or SIGINT ends it at once. A restart is safe at any moment.",
        ],
    },
    CommandHelp {
        name: "check",
        summary: "dry run: test configuration, wallet, endpoints, models; send nothing",
        usage: &[
            "check [--json] [--config FILE]",
            "check --health [--config FILE]",
        ],
        description: &[
            "Reads the configuration and the seed phrase, queries every endpoint, the account, every \
             topic and every model, and has the chain simulate the transaction that the worker \
             would send. It is safe while the worker runs: no transaction is sent, nothing is paid, \
             nothing is written.",
            "Each finding is a line: \u{2713} OK, ! warning, \u{2717} error. Below a warning or an \
             error stands what to do. Times are local.",
        ],
    },
    CommandHelp {
        name: "status",
        summary: "show what the running worker does: windows, last nonces, waits",
        usage: &["status [--watch | --json] [--config FILE]"],
        description: &[
            "Asks the running worker at its metrics_listen, the only setting that it reads, and shows \
             chain, wallet, fees and waiting states, and a row for each topic: its window, the last \
             value, and how its last nonces ended.",
        ],
    },
    CommandHelp {
        name: "keygen",
        summary: "make a new wallet: write its seed phrase to a file, print its address",
        usage: &["keygen [--words COUNT] --out FILE [--show]"],
        description: &[
            "Writes a new seed phrase, from the system's source of randomness, to FILE, which only \
             its owner can read (mode 0600). Name the file in the configuration's seed_phrase_file. \
             An existing file is never overwritten.",
            "The seed phrase is the wallet: whoever has it has the funds, and without it the funds \
             are lost. Keep a copy offline.",
        ],
    },
    CommandHelp {
        name: "address",
        summary: "print the address of the configured wallet, which pays the fees",
        usage: &["address [--config FILE]"],
        description: &[
            "Needs only the seed phrase or private key of the configuration, and no network.",
        ],
    },
    CommandHelp {
        name: "import",
        summary: "make a configuration of one of the Go node or the Python SDK",
        usage: &["import FILE"],
        description: &[
            "Reads the configuration of the official Go node (config.json) or of the runner of the \
             official Python SDK (worker_config.yaml), and prints one for this worker: topics, URLs of \
             models, network. What has no counterpart, and what is to do by hand, is listed on standard \
             error. A seed phrase or a private key is never printed.",
        ],
    },
];

pub const OPTIONS: [&str; 12] = [
    "check | --json | print the findings as one JSON object instead of the table",
    "check | --health | only ask the running worker, at metrics_listen, whether it is healthy; meant \
     for containers",
    "status | --watch | show it again every 2 s, until interrupted",
    "status | --json | print /status.json of the worker instead of the table",
    "keygen | --out FILE | where the seed phrase goes; the file must not exist yet",
    "keygen | --words COUNT | 12, 15, 18, 21 or 24 words; default: 24",
    "keygen | --show | also print the seed phrase, on the line after the address",
    "run check status address | -c, --config FILE | configuration file; default: that of \
     $ALLORA_WORKER_CONFIG, then ./config.json, then /etc/allora-worker/config.json",
    "run | --log-dir DIR | folder of the log file; default: log_dir of the configuration, then \
     ./logs, but no file if the journal keeps the log",
    "* | -h, --help | print help; after a command, help about it",
    "allora-worker | -V, --version | print the version",
    "allora-worker | --generate KIND | print the manual page (man), or the completions of a shell (bash, \
     zsh, fish)",
];

pub const FILES: [&str; 3] = [
    "run check status address | ./config.json | the configuration, if neither --config nor \
     ALLORA_WORKER_CONFIG names one",
    "run check status address | /etc/allora-worker/config.json | the configuration, if there is no \
     ./config.json either",
    "run check address | seed_phrase_file, private_key_file | the file that one of these settings names \
     contains the seed phrase or the private key; only its owner may have access",
];

pub const ENVIRONMENT: [&str; 6] = [
    "run check status address | ALLORA_WORKER_CONFIG | the configuration file, if --config is not given",
    "run check address | CREDENTIALS_DIRECTORY | a folder set by service managers; its file \
     seed_phrase or private_key, if there is one, is used before these settings",
    "run check | SSL_CERT_FILE | a PEM file of CA certificates, used instead of the built-in ones",
    "run | JOURNAL_STREAM | set by the service manager; if standard error is that stream, no log \
     file is written unless --log-dir or log_dir asks for one",
    "run | NOTIFY_SOCKET, WATCHDOG_USEC | set by the service manager, which is notified when the \
     worker is ready, alive, what it does, and when it stops",
    "check | TZ | the time zone of the times that are shown",
];

pub const EXIT_CODES: [&str; 17] = [
    "allora-worker | 0 | stopped on request, or done",
    "run | 0 | stopped by SIGINT, SIGTERM or SIGHUP",
    "check | 0 | no errors; with --health: healthy",
    "status | 0 | the state is shown, whatever it is",
    "keygen | 0 | the file is written",
    "address | 0 | the address is printed",
    "import | 0 | the configuration is printed",
    "allora-worker | 1 | a failure; check: there are errors",
    "run | 1 | a failure of the worker itself: restart it",
    "check | 1 | errors; with --health: not healthy, not running, or metrics_listen is not set",
    "status | 1 | the worker does not answer, or metrics_listen is not set",
    "keygen | 1 | FILE exists already, or cannot be written",
    "address import | 1 | standard output is closed",
    "* | 2 | wrong usage",
    "allora-worker run check status address | 3 | the configuration or the seed phrase must be fixed; a \
     restart does not help",
    "import | 3 | FILE can't be read, or is not the configuration of one of these",
    "run | 130, 143 | ended at once by SIGINT or SIGTERM while it was stopping",
];

/// The words that a value of this name may be; none for names of files.
pub fn choices(value: &str) -> &'static [&'static str] {
    match value {
        "COUNT" => &["12", "15", "18", "21", "24"],
        "KIND" => &["man", "bash", "zsh", "fish"],
        _ => &[],
    }
}

/// The terms and meanings of these rows.
pub fn entries(rows: &[&'static str]) -> Vec<(&'static str, &'static str)> {
    let entry = |row: &&'static str| row.split_once(" | ")?.1.split_once(" | ");
    rows.iter().filter_map(entry).collect()
}

/// The terms and meanings of the rows that belong to a page.
pub fn entries_of(page: &CommandHelp, rows: &[&'static str]) -> Vec<(&'static str, &'static str)> {
    let is_of = |row: &&&str| {
        let mut names = row.split(' ').take_while(|word| *word != "|");
        names.any(|name| name == page.name || name == "*")
    };
    let rows: Vec<_> = rows.iter().filter(is_of).copied().collect();
    entries(&rows)
}
