//! The tree as the rules see it: every source file once, raw and with comments and texts removed.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use crate::lexer;

/// One text file of the repository.
pub(crate) struct SourceFile {
    /// Path from the repository's root, with forward slashes.
    pub(crate) path: String,
    /// The text as it stands.
    pub(crate) text: String,
    /// Rust only: the same lines with comments, strings and characters blanked out.
    pub(crate) code: String,
    /// Rust only: `code` without what `#[cfg(test)]` guards.
    pub(crate) production: String,
}

/// All files that the rules look at.
pub(crate) struct Tree {
    pub(crate) files: Vec<SourceFile>,
}

/// The folders of the product; everything else at the root is a document or a tool's file.
const FOLDERS: [&str; 5] = ["src", "tests", "tools", "benches", "kernel-notes"];
const ROOT_FILES: [&str; 3] = ["README.md", "ARCHITECTURE.md", "Cargo.toml"];
const EXTENSIONS: [&str; 3] = ["rs", "md", "toml"];

impl Tree {
    /// The tree, read once for all tests.
    pub(crate) fn load() -> &'static Self {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(Self::read)
    }

    /// Reads the tree; cargo runs integration tests in the package's folder, the root.
    fn read() -> Self {
        let mut files = Vec::new();
        for name in ROOT_FILES {
            push(&mut files, Path::new(name));
        }
        for folder in FOLDERS {
            walk(&mut files, Path::new(folder));
        }
        assert!(files.len() > 10, "the tree was not found from this folder");
        files.sort_by(|left, right| left.path.cmp(&right.path));
        Self { files }
    }

    pub(crate) fn get(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Every Rust file that a person wrote.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &SourceFile> {
        self.files
            .iter()
            .filter(|file| file.path.ends_with(".rs") && !file.is_generated())
    }

    /// The Rust files of the product and its tools, without any test.
    pub(crate) fn product(&self) -> impl Iterator<Item = &SourceFile> {
        self.rust().filter(|file| !file.is_test())
    }
}

impl SourceFile {
    /// The room that the file lies in; the root package is `root`, a tool is `tools`.
    pub(crate) fn room(&self) -> &str {
        let mut parts = self.path.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("src"), Some("cli"), _) => "root",
            (Some("src"), Some(room), Some(_)) => room,
            (Some("src"), _, _) => "root",
            (Some("tools"), _, _) => "tools",
            _ => "tests",
        }
    }

    /// Tests, benches and example inputs: they may break rules that protect the product.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.starts_with("tests/")
            || self.path.starts_with("benches/")
            || self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || name == "tests.rs"
            || name.ends_with("_tests.rs")
    }

    /// Committed output of a generator: never edited, alone may exceed the size limits.
    pub(crate) fn is_generated(&self) -> bool {
        self.path.contains("/generated/")
    }
}

fn walk(files: &mut Vec<SourceFile>, folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(files, &path);
        } else if path
            .extension()
            .is_some_and(|found| EXTENSIONS.iter().any(|known| found == *known))
        {
            push(files, &path);
        }
    }
}

fn push(files: &mut Vec<SourceFile>, path: &Path) {
    let Ok(text) = fs::read_to_string(path) else {
        return;
    };
    let is_rust = path.extension().is_some_and(|found| found == "rs");
    let code = if is_rust {
        lexer::blank(&text)
    } else {
        String::new()
    };
    let production = lexer::without_test_items(&code);
    files.push(SourceFile {
        path: path.display().to_string(),
        text,
        code,
        production,
    });
}
