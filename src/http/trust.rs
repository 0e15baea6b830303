//! The trusted certificate authorities: Mozilla's, which are built in, or those in the file named
//! by `SSL_CERT_FILE`, for a node with a private authority. As with OpenSSL, the file replaces the
//! built-in authorities.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use log::{info, warn};
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::text::secret::shown_path;

const VARIABLE: &str = "SSL_CERT_FILE";

/// The largest file that is read; a system's whole bundle has about 220 KiB.
const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The authorities set by the environment. If the file cannot be used, this is logged and the
/// built-in authorities are trusted, so that public nodes can still be reached.
pub(super) fn roots() -> RootCerts {
    roots_of(std::env::var_os(VARIABLE).as_deref())
}

fn roots_of(file: Option<&OsStr>) -> RootCerts {
    // why: a service file unsets a variable by leaving it empty
    let Some(path) = file.filter(|name| !name.is_empty()).map(Path::new) else {
        return RootCerts::WebPki;
    };
    match read(path) {
        Ok(certificates) => {
            let (count, path) = (certificates.len(), shown_path(path));
            info!("TLS trusts the {count} certificate(s) in {path} ({VARIABLE}) and no others");
            RootCerts::from(certificates)
        }
        Err(error) => {
            warn!("{VARIABLE} is not used, TLS trusts the built-in authorities: {error}");
            RootCerts::WebPki
        }
    }
}

/// The file's certificates, or why they cannot be used.
fn read(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let name = shown_path(path);
    let unreadable = |error: io::Error| format!("reading {name}: {error}");
    let mut pem = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
    let file = File::open(path).map_err(unreadable)?;
    let taken = file.take(limit.saturating_add(1)).read_to_end(&mut pem);
    if taken.map_err(unreadable)? > FILE_BYTES_MAX {
        return Err(format!("{name} has more than {FILE_BYTES_MAX} bytes"));
    }
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        let item = item.map_err(|error| format!("{name} is not valid PEM text: {error}"))?;
        // Keys in the file are ignored.
        if let PemItem::Certificate(certificate) = item {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(format!(
            "no certificate in {name}; it has to be in PEM form"
        ));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only the PEM form is checked when the file is read, so any content will do.
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";

    fn roots_of_file(content: &[u8]) -> RootCerts {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        std::fs::write(&path, content).unwrap();
        roots_of(Some(path.as_os_str()))
    }

    #[test]
    fn a_file_of_certificates_replaces_the_built_in_ones() {
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
    fn an_error_names_what_is_wrong_with_the_file() {
        let said = |path: &Path| read(path).unwrap_err();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roots.pem");
        assert!(said(&path).contains("reading"), "{}", said(&path));
        std::fs::write(&path, "nothing").unwrap();
        assert!(said(&path).contains("no certificate in"));
    }
}
