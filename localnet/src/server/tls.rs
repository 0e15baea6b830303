//! TLS as on a public node: a certificate authority that exists only during the simulation, and a
//! certificate from it. So no key is in the sources, and no other program trusts the authority.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::chain::bytes;

/// Characters per line of a PEM file.
const PEM_LINE: usize = 64;

/// The server's TLS configuration and the authority that clients have to trust.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub authority_pem: String,
}

impl Tls {
    /// Creates an authority and a certificate for the loopback addresses.
    ///
    /// # Errors
    /// When the system has no random numbers for the keys.
    pub fn new() -> io::Result<Tls> {
        let (authority, authority_pem) = authority().map_err(io::Error::other)?;
        let (leaf, key) = leaf(&authority).map_err(io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)
            .map_err(io::Error::other)?;
        Ok(Tls {
            config: Arc::new(config),
            authority_pem,
        })
    }
}

fn authority() -> Result<(Issuer<'static, KeyPair>, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "localnet authority");
    let certificate = params.self_signed(&key)?;
    let pem = pem(certificate.der());
    Ok((Issuer::new(params, key), pem))
}

fn leaf(
    authority: &Issuer<'static, KeyPair>,
) -> Result<
    (
        rustls::pki_types::CertificateDer<'static>,
        PrivateKeyDer<'static>,
    ),
    rcgen::Error,
> {
    let key = KeyPair::generate()?;
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let mut params = CertificateParams::new(names)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
        .distinguished_name
        .push(DnType::CommonName, "localnet node");
    let certificate = params.signed_by(&key, authority)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((certificate.der().clone(), key.into()))
}

fn pem(der: &[u8]) -> String {
    let text = bytes::base64(der);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in text.as_bytes().chunks(PEM_LINE) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
