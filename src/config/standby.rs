//! The setting `standby`: how windows are shared with a second machine.

use super::section::{Section, Setting, whole};
use crate::values::standby::{AFTER_BLOCKS_MAX, BLOCKS_MIN, Role, Standby};

pub(super) fn read_standby(setting: &Setting<'_>) -> Option<Standby> {
    let section = setting.is_set().then(|| setting.section(read_section));
    section.flatten().flatten()
}

pub(super) fn read_section(section: &Section<'_>) -> Option<Standby> {
    let after_blocks = read_after_blocks(&section.key("after_blocks"));
    let role = section.key("role");
    let role = match role.text() {
        Some("primary") => Role::Primary,
        Some("standby") => Role::Standby,
        _ => {
            role.problem("must be \"primary\" on one machine and \"standby\" on the other");
            return None;
        }
    };
    Some(Standby { role, after_blocks })
}

fn read_after_blocks(setting: &Setting<'_>) -> Option<u64> {
    let number = setting.positive("half the window")?;
    let blocks = whole(&number).and_then(|blocks| u64::try_from(blocks).ok());
    let blocks = blocks.filter(|blocks| (BLOCKS_MIN..=AFTER_BLOCKS_MAX).contains(blocks));
    if blocks.is_none() {
        setting.problem(format!(
            "must be a whole number of blocks, {BLOCKS_MIN} to {AFTER_BLOCKS_MAX}"
        ));
    }
    blocks
}
