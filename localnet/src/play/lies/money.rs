//! Lies about prices, fees and the balance.

use super::telling::Telling;

pub(super) fn price(telling: &mut Telling<'_>) {
    let long = "9".repeat(60);
    let text = match telling.variant(10) {
        0 => "1000000000000000000000000000000.000000000000000000",
        1 => &long,
        2 => "0.000000000000000000",
        3 => "-5.000000000000000000",
        4 => "0.000000000000000001",
        5 => "1e9",
        // Fees of these prices are within the default limit of a transaction.
        6 => "1000000000.000000000000000000",
        7 => "40000000000.000000000000000000",
        8 => "14.000000000000000000",
        _ => "1000.000000000000000000",
    };
    telling.set("/price/amount", text);
}

pub(super) fn balance(telling: &mut Telling<'_>) {
    let most = u128::MAX.to_string();
    let text = match telling.variant(5) {
        0 => "0",
        1 => "1",
        2 => "-1",
        3 => &most,
        _ => "99999999999999999999999999999999999999999999",
    };
    telling.set("/balance/amount", text);
}

pub(super) fn params(telling: &mut Telling<'_>) {
    let most = u128::MAX.to_string();
    let text = match telling.variant(4) {
        0 => "1000000000000000000000000000000",
        1 => &most,
        2 => "999999000000000000000000",
        _ => "0",
    };
    telling.set("/params/registration_fee", text);
    telling.set("/params/data_sending_fee", text);
}
