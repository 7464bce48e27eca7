//! Conversations with a machine kept as text files: `> ` is what goes in, the lines below what
//! comes out.
//!
//! Story: a change of behaviour must show in review as a change of a conversation. `UPDATE=1`
//! rewrites the files.

use std::path::{Path, PathBuf};

/// Where the conversations of a kind are.
fn folder(kind: &str) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    golden.join(kind)
}

/// Has the conversation again and compares.
pub(crate) fn check(kind: &str, name: &str, converse: impl Fn(&str) -> String) {
    let path = folder(kind).join(format!("{name}.txt"));
    let golden = std::fs::read_to_string(&path).unwrap();
    let text = converse(&golden);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
        return;
    }
    assert!(
        golden == text,
        "{} reads differently now; look at `UPDATE=1` and git diff:\n{text}",
        path.display()
    );
}

/// Compares the names of the files of a kind with those that are checked.
pub(crate) fn are_all_checked(kind: &str, checked: &[&str]) {
    let mut files: Vec<String> = std::fs::read_dir(folder(kind))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut checked: Vec<_> = checked.iter().map(|name| format!("{name}.txt")).collect();
    checked.sort();
    assert_eq!(files, checked);
}

/// One test for each conversation of a kind, and one for there being no other files.
macro_rules! conversations {
    ($kind:literal, $converse:path: $($name:ident)*) => {
        $(#[test] fn $name() {
            $crate::tests::conversations::check($kind, stringify!($name), $converse);
        })*

        #[test]
        fn every_conversation_is_checked() {
            $crate::tests::conversations::are_all_checked($kind, &[$(stringify!($name)),*]);
        }
    };
}
pub(crate) use conversations;
