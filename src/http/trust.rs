//! Which certificate authorities are trusted: Mozilla's, which are built in, or those of a file
//! that `SSL_CERT_FILE` names, for a node behind an authority of one's own. The variable is the one
//! that OpenSSL and what follows it go by; like there, the file takes the built-in ones' place.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use log::{info, warn};
use thiserror::Error;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// The environment variable that names the file.
const VARIABLE: &str = "SSL_CERT_FILE";

/// Bytes of the file; a system's whole bundle has about 220 KiB.
const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Why a file's certificates cannot be used.
#[derive(Debug, Error)]
enum TrustError {
    #[error("reading {path}: {reason}")]
    Unreadable { path: PathBuf, reason: String },
    #[error("{path} has more than {FILE_BYTES_MAX} bytes")]
    TooLarge { path: PathBuf },
    #[error("{path} is no PEM text: {reason}")]
    NoPem { path: PathBuf, reason: String },
    #[error("no certificate in {path}; it has to be in PEM form")]
    Empty { path: PathBuf },
}

/// The authorities that the environment asks for. A file that cannot be used is told, and the
/// built-in ones are taken: a public node can be reached all the same.
pub(super) fn roots() -> RootCerts {
    roots_of(std::env::var_os(VARIABLE).as_deref())
}

fn roots_of(file: Option<&OsStr>) -> RootCerts {
    // why: an empty variable is how a service file unsets one
    let Some(path) = file.filter(|name| !name.is_empty()).map(Path::new) else {
        return RootCerts::WebPki;
    };
    match read(path) {
        Ok(certificates) => {
            let (count, path) = (certificates.len(), path.display());
            info!("TLS trusts the {count} certificate(s) in {path} ({VARIABLE}) and no others");
            RootCerts::from(certificates)
        }
        Err(error) => {
            warn!("{VARIABLE} is not used, TLS trusts the built-in authorities: {error}");
            RootCerts::WebPki
        }
    }
}

fn read(path: &Path) -> Result<Vec<Certificate<'static>>, TrustError> {
    let unreadable = |error: io::Error| TrustError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let mut pem = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(unreadable)?;
    let taken = file.take(limit.saturating_add(1)).read_to_end(&mut pem);
    if taken.map_err(unreadable)? > FILE_BYTES_MAX {
        return Err(TrustError::TooLarge {
            path: path.to_owned(),
        });
    }
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            // A key beside the certificates is none of our business.
            Ok(_) => {}
            Err(error) => {
                return Err(TrustError::NoPem {
                    path: path.to_owned(),
                    reason: error.to_string(),
                });
            }
        }
    }
    match certificates.is_empty() {
        true => Err(TrustError::Empty {
            path: path.to_owned(),
        }),
        false => Ok(certificates),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PEM form is all that is looked at here; what is in it, TLS judges at the first connection.
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";

    fn roots_of_file(content: &[u8]) -> RootCerts {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        std::fs::write(&path, content).unwrap();
        roots_of(Some(path.as_os_str()))
    }

    #[test]
    fn a_file_of_certificates_takes_the_place_of_the_built_in_ones() {
        let two = format!("a comment\n{CERTIFICATE}{CERTIFICATE}");
        let RootCerts::Specific(certificates) = roots_of_file(two.as_bytes()) else {
            panic!("the built-in authorities");
        };
        let ders: Vec<&[u8]> = certificates.iter().map(Certificate::der).collect();
        assert_eq!(ders, [[0, 1, 2], [0, 1, 2]]);
    }

    #[test]
    fn without_a_usable_file_the_built_in_authorities_stay() {
        let is_built_in = |roots: RootCerts| matches!(roots, RootCerts::WebPki);
        assert!(is_built_in(roots_of(None)));
        assert!(is_built_in(roots_of(Some(OsStr::new("")))));
        assert!(is_built_in(roots_of(Some(OsStr::new("/no/such/file")))));
        assert!(is_built_in(roots_of_file(b"")));
        assert!(is_built_in(roots_of_file(b"not a certificate\n")));
        let broken = CERTIFICATE.replace("AAEC", "!!!");
        assert!(is_built_in(roots_of_file(broken.as_bytes())));
        let mut large = CERTIFICATE.as_bytes().to_vec();
        large.resize(FILE_BYTES_MAX + 1, b'\n');
        assert!(is_built_in(roots_of_file(&large)));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let said = |path: &Path| read(path).unwrap_err().to_string();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        assert!(said(&path).contains("reading"), "{}", said(&path));
        std::fs::write(&path, "nothing").unwrap();
        assert!(said(&path).contains("no certificate in"));
    }
}
