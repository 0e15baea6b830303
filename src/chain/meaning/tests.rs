//! Texts and codes as the chain gives them, and what they mean.

use super::*;

#[test]
fn a_code_without_its_codespace_means_nothing() {
    let at = |codespace| Meaning::of_code(codespace, 13, "", Stage::CheckTx);
    assert_eq!(at("sdk"), Meaning::FeeTooLow { required: None });
    assert_eq!(at("emissions"), Meaning::NotRegistered);
    assert!(matches!(at("bank"), Meaning::Unknown { code: 13, .. }));
}

#[test]
fn numbers_are_read_from_the_text() {
    let fee = "error checking fee: got: 1uallo required: 400000uallo, minGasPrice: \
               1.000000000000000000uallo, gas: 35583: insufficient fee";
    let required = Some(Uallo(400_000));
    assert_eq!(
        Meaning::of_code("sdk", 13, fee, Stage::CheckTx),
        Meaning::FeeTooLow { required }
    );
    let sequence = "account sequence mismatch, expected 4, got 7: incorrect account sequence";
    assert_eq!(
        Meaning::of_code("sdk", 32, sequence, Stage::CheckTx),
        Meaning::Sequence {
            expected: Sequence(4),
            got: Sequence(7)
        }
    );
    let gas = "out of gas in location: ReadFlat; gasWanted: 90000, gasUsed: 90223: out of gas";
    assert_eq!(
        Meaning::of_code("sdk", 11, gas, Stage::Block),
        Meaning::OutOfGas {
            wanted: Some(Gas(90_000)),
            used: Some(Gas(90_223))
        }
    );
}

#[test]
fn a_sequence_text_without_numbers_is_unknown_not_a_guess() {
    let meaning = Meaning::of_code("sdk", 32, "incorrect account sequence", Stage::CheckTx);
    assert!(
        matches!(meaning, Meaning::Unknown { code: 32, .. }),
        "{meaning:?}"
    );
}

#[test]
fn what_a_signature_failure_means_depends_on_where_it_happened() {
    let ante = "signature verification failed; please verify account number (2) and chain-id \
                (localnet): (unable to verify single signer signature): unauthorized";
    assert_eq!(
        Meaning::of_code("sdk", 4, ante, Stage::CheckTx),
        Meaning::Unauthorized
    );
    assert_eq!(
        Meaning::of_code("sdk", 4, ante, Stage::Block),
        Meaning::Unauthorized
    );
    let bundle = "failed to execute message; message index: 0: Error validating worker data \
                  bundle: signature verification failed: unauthorized";
    assert_eq!(
        Meaning::of_code("sdk", 4, bundle, Stage::Block),
        Meaning::BundleSignature
    );
    assert_eq!(Meaning::of_simulate(None, bundle), Meaning::BundleSignature);
}

#[test]
fn an_undecodable_transaction_is_sorted_by_its_reason() {
    let of = |text| Meaning::of_code("sdk", 2, text, Stage::CheckTx);
    let wrong = "unable to resolve type URL /emissions.v10.RegisterRequest: tx parse error";
    assert_eq!(of(wrong), Meaning::WrongApi);
    assert_eq!(
        of("parse mantissa: abc: tx parse error"),
        Meaning::BadPayload
    );
    assert_eq!(
        of("expected 2 wire type, got 0: tx parse error"),
        Meaning::Undecodable
    );
}

#[test]
fn a_message_error_joined_with_a_full_block_is_the_message_error_if_served() {
    let text = "failed to execute message; message index: 0: inference already submitted; \
                unable to update fee market state: block utilization of 5 cannot exceed max \
                block utilization";
    let of = |text| Meaning::of_code("undefined", 1, text, Stage::Block);
    assert_eq!(of(text), Meaning::AlreadySubmitted);
    assert_eq!(
        of(text.split_once("; u").unwrap().0),
        Meaning::AlreadySubmitted
    );
    assert_eq!(
        of("unable to update fee market state: block utilization of 5"),
        Meaning::BlockFull
    );
}

#[test]
fn simulate_texts_end_with_a_registered_text_or_stay_unknown() {
    let text = "failed to execute message; message index: 0: unfulfilled nonce not found \
                [cosmos/cosmos-sdk@v0.50.14/baseapp/baseapp.go:1023] with gas used: '75421'";
    assert_eq!(Meaning::of_simulate(None, text), Meaning::WindowClosed);
    assert_eq!(
        Meaning::of_simulate(None, "tx timeout height"),
        Meaning::TimeoutHeight
    );
    assert_eq!(
        Meaning::of_simulate(Some(("sdk", 30)), "tx timeout height"),
        Meaning::TimeoutHeight
    );
    // The registered text must stand at the end, after a colon, not somewhere in a word.
    let inside = "tx timeout height was fine, the moon was not";
    assert!(matches!(
        Meaning::of_simulate(None, inside),
        Meaning::Unknown { .. }
    ));
    let glued = "no insufficient funds";
    assert!(matches!(
        Meaning::of_simulate(None, glued),
        Meaning::Unknown { .. }
    ));
}

#[test]
fn queries_say_no_only_where_the_chain_does() {
    let of = |grpc, text| Meaning::of_query(grpc, None, text);
    assert_eq!(
        of(5, "account allo1x not found"),
        Some(Meaning::UnknownAccount)
    );
    assert_eq!(of(5, "topic 999 not found"), Some(Meaning::UnknownTopic));
    assert_eq!(of(5, "tx not found: AB"), Some(Meaning::NotFound));
    let missing = "latest input inference not found for topic 1 worker allo1x";
    assert_eq!(of(5, missing), Some(Meaning::NotFound));
    assert_eq!(of(12, "Not Implemented"), Some(Meaning::NotServed));
    for overload_or_fault in [4, 8, 13, 14] {
        assert_eq!(of(overload_or_fault, "connection error"), None);
    }
    let unknown_topic = Meaning::of_query(2, Some(("emissions", 23)), "topic does not exist");
    assert_eq!(unknown_topic, Some(Meaning::UnknownTopic));
}

#[test]
fn an_unknown_text_is_shown_within_bounds() {
    let (codespace, text) = ("\u{202e}".repeat(9_999), "\u{1b}".repeat(9_999));
    let shown = Meaning::of_code(&codespace, 1, &text, Stage::Block).to_string();
    assert!(
        shown.starts_with("a code that is not known, \\u{202e}"),
        "{shown}"
    );
    assert!(shown.ends_with("\\u{1b}\u{2026}"), "{shown}");
    assert!(shown.len() < 700, "{}", shown.len());
}

#[test]
fn codespace_and_code_are_taken_apart() {
    let text = "codespace emissions code 23: topic does not exist: error getting topic";
    let rest = "topic does not exist: error getting topic";
    assert_eq!(split_codespace(text), Some(("emissions", 23, rest)));
    assert_eq!(
        split_codespace("codespace sdk code 7"),
        Some(("sdk", 7, ""))
    );
    assert_eq!(split_codespace("codespace sdk code x: y"), None);
    assert_eq!(split_codespace("the codespace sdk code 7: y"), None);
}
