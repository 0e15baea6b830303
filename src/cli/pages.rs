//! What there is to say about each command, as data: `--help` and the man page are both made of
//! it, so neither can tell what the other does not.

/// What there is to say about a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its name; empty for the program itself.
    pub name: &'static str,
    /// What it does, in a few words, as the list of commands has it.
    pub summary: &'static str,
    /// How it is typed, without the program's name.
    pub usage: &'static [&'static str],
    /// Paragraphs about it.
    pub description: &'static [&'static str],
    /// Its options: how each is typed, and what it does.
    pub options: &'static [Entry],
    /// What else there is to know.
    pub sections: &'static [Section],
}

/// Terms and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// The heading, as a help text has it.
    pub title: &'static str,
    /// The terms.
    pub entries: &'static [Entry],
}

/// A term and what it means.
pub type Entry = (&'static str, &'static str);

const CONFIG: Entry = (
    "-c, --config FILE",
    "the configuration; without it ./config.json, then /etc/allora-worker/config.json",
);
const HELP: Entry = ("-h, --help", "this text");

const USAGE_CODE: Entry = ("2", "wrong usage");
const CONFIG_CODE: Entry = ("3", "the configuration has to be mended first");

const FILES: Section = Section {
    title: "Files",
    entries: &[
        (
            "./config.json",
            "the configuration that is taken without --config, if it is there",
        ),
        (
            "/etc/allora-worker/config.json",
            "the configuration that is taken otherwise",
        ),
        (
            "seed_phrase_file",
            "the file that this setting names holds the words of the wallet; it must be open to \
             its owner alone",
        ),
    ],
};

const CREDENTIALS_DIRECTORY: Entry = (
    "CREDENTIALS_DIRECTORY",
    "a folder, given by service managers; its file seed_phrase, if there, comes before \
     seed_phrase_file and seed_phrase",
);
const SSL_CERT_FILE: Entry = (
    "SSL_CERT_FILE",
    "a PEM file of CA certificates, used instead of the built-in ones",
);

/// The program as a whole.
pub const PROGRAM: Page = Page {
    name: "",
    summary: "serves topics of the Allora Network with the inferences of your models",
    usage: &[
        "[run] [--config FILE] [--log-dir DIR]",
        "check [--json] [--config FILE]",
        "check --health [--config FILE]",
        "keygen [--words COUNT] --out FILE [--show]",
        "address [--config FILE]",
        "[COMMAND] --help | --version | --generate man",
    ],
    description: &[
        "Without a command it runs: it watches the submission windows of the configured topics, \
         and when one opens, asks the topic's model for an inference, signs it and gets it into a \
         block of the chain.",
    ],
    options: &[
        (
            "-h, --help",
            "this text; after a command, the whole text about it",
        ),
        ("-V, --version", "the version"),
        (
            "--generate man",
            "the manual page, to be read by man or put into a package",
        ),
    ],
    sections: &[Section {
        title: "Exit codes",
        entries: &[
            ("0", "stopped on request, or done"),
            ("1", "a failure; of check: something would fail"),
            USAGE_CODE,
            CONFIG_CODE,
        ],
    }],
};

/// `run`.
pub const RUN: Page = Page {
    name: "run",
    summary: "serve the topics of the configuration until stopped (the default)",
    usage: &["[run] [--config FILE] [--log-dir DIR]"],
    description: &[
        "Watches the submission windows of the configured topics. When one opens, asks the topic's \
         model for an inference, signs it and gets it into a block. Registers the worker where it \
         is not registered yet. Whatever time or somebody else's hand can mend is waited for.",
        "SIGTERM and SIGINT stop it: nothing new is started, and what is in flight is awaited for \
         5 s. A second signal ends it at once. A restart is safe at any moment.",
    ],
    options: &[
        CONFIG,
        (
            "--log-dir DIR",
            "where the log file goes; without it where log_dir says, and without that to ./logs, \
             but nowhere when the journal keeps the log",
        ),
        HELP,
    ],
    sections: &[
        FILES,
        Section {
            title: "Environment",
            entries: &[
                CREDENTIALS_DIRECTORY,
                SSL_CERT_FILE,
                (
                    "JOURNAL_STREAM",
                    "given by the service manager; if standard error is that stream, no log file \
                     is written unless --log-dir or log_dir asks for one",
                ),
                (
                    "NOTIFY_SOCKET, WATCHDOG_USEC",
                    "given by the service manager, which is told there that the worker is ready, \
                     alive, what it does, and that it stops",
                ),
            ],
        },
        Section {
            title: "Exit codes",
            entries: &[
                ("0", "stopped by SIGINT or SIGTERM"),
                ("1", "a failure of the worker itself; a restart is right"),
                USAGE_CODE,
                (
                    "3",
                    "the configuration or the seed phrase has to be mended first; a restart does \
                     not help",
                ),
                ("130, 143", "ended at once by a second SIGINT or SIGTERM"),
            ],
        },
    ],
};

/// `check`.
pub const CHECK: Page = Page {
    name: "check",
    summary: "say whether the worker would work, and what to do; send nothing",
    usage: &[
        "check [--json] [--config FILE]",
        "check --health [--config FILE]",
    ],
    description: &[
        "Reads the configuration and the seed phrase, asks every endpoint, the account, every \
         topic and every model, and has the chain rehearse (simulate) the transaction that the \
         worker would send. It is safe while the worker runs: nothing is sent to be included, \
         nothing is paid, nothing is written.",
        "Each finding is a line: \u{2713} is well, ! is worth a look, \u{2717} would fail; under \
         the latter two stands what to do. Times are local ones.",
    ],
    options: &[
        (
            "--json",
            "one JSON object instead of the table, with the same findings",
        ),
        (
            "--health",
            "only ask the running worker, at metrics_listen, whether it is healthy; meant for \
             containers",
        ),
        CONFIG,
        HELP,
    ],
    sections: &[
        FILES,
        Section {
            title: "Environment",
            entries: &[
                CREDENTIALS_DIRECTORY,
                SSL_CERT_FILE,
                ("TZ", "the time zone of the times that are shown"),
            ],
        },
        Section {
            title: "Exit codes",
            entries: &[
                ("0", "nothing would fail; with --health: healthy"),
                (
                    "1",
                    "something would fail; with --health: not healthy, not running, or \
                     metrics_listen is not set",
                ),
                USAGE_CODE,
                CONFIG_CODE,
            ],
        },
    ],
};

/// `keygen`.
pub const KEYGEN: Page = Page {
    name: "keygen",
    summary: "make a new wallet: write its words into a file, print its address",
    usage: &["keygen [--words COUNT] --out FILE [--show]"],
    description: &[
        "Writes a new seed phrase, from the system's source of randomness, into FILE, which only \
         its owner can read (mode 0600). Name the file in the configuration's seed_phrase_file. A \
         file that is there already is never overwritten.",
        "The words are the wallet: whoever has them has its funds, and without them the funds are \
         lost. Keep a copy where no computer reads it.",
    ],
    options: &[
        ("--out FILE", "where the words go; it must not exist yet"),
        (
            "--words COUNT",
            "how many words: 12, 15, 18, 21 or 24; without it 24",
        ),
        (
            "--show",
            "print the words too, once, on the line after the address",
        ),
        HELP,
    ],
    sections: &[Section {
        title: "Exit codes",
        entries: &[
            ("0", "the file is written"),
            ("1", "it is not: FILE exists already, or cannot be written"),
            USAGE_CODE,
        ],
    }],
};

/// `address`.
pub const ADDRESS: Page = Page {
    name: "address",
    summary: "print the address of the configured wallet, which pays the fees",
    usage: &["address [--config FILE]"],
    description: &["Needs nothing of the configuration but the seed phrase. Asks nobody."],
    options: &[CONFIG, HELP],
    sections: &[
        FILES,
        Section {
            title: "Environment",
            entries: &[CREDENTIALS_DIRECTORY],
        },
        Section {
            title: "Exit codes",
            entries: &[
                ("0", "the address is printed"),
                ("1", "standard output is closed"),
                USAGE_CODE,
                CONFIG_CODE,
            ],
        },
    ],
};

/// The commands, in the order in which they are listed.
pub const COMMANDS: [Page; 4] = [RUN, CHECK, KEYGEN, ADDRESS];
