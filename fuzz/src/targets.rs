//! One file for each kind of input.

pub(crate) mod config;
pub(crate) mod decimal;
pub(crate) mod labels;
pub(crate) mod lcd;
pub(crate) mod model;
pub(crate) mod request;

/// An input: the bytes that choose, and the text.
fn input(choice: &[u8], text: &str) -> Vec<u8> {
    [choice, text.as_bytes()].concat()
}

/// The bytes that choose, and the text; `None` if there are too few.
fn split<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    let (choice, text) = bytes.split_first_chunk()?;
    Some((*choice, text))
}

/// The item of a list that a byte chooses.
fn chosen<T>(list: &[T], byte: u8) -> &T {
    &list[usize::from(byte) % list.len()]
}
