//! What commands leave: results on standard output, pictures in files.

use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::shell::Outcome;

/// Writes a result to standard output, and the end of a line. That nobody reads it any more (`| head`) is no failure.
pub fn print(result: impl Display) -> Outcome {
    let mut out = io::stdout().lock();
    written(writeln!(out, "{result}").and_then(|()| out.flush()))
}

fn written(outcome: io::Result<()>) -> Outcome {
    match outcome {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("writing to standard output failed: {error}").into())
        }
        _ => Ok(()),
    }
}

/// Sees that a picture can be put there, before a long run that ends with it.
pub fn check_picture(path: &Path) -> Outcome {
    let is_new = !path.exists();
    let made = OpenOptions::new().append(true).create(true).open(path);
    let outcome = made.and_then(|_| if is_new { fs::remove_file(path) } else { Ok(()) });
    outcome.map_err(|error| format!("{} can't be written: {error}", path.display()).into())
}

/// Makes the directory that pictures and captures go to, before a long run that fills it.
pub fn prepare(directory: &Path) -> Outcome {
    fs::create_dir_all(directory).map_err(|error| format!("{} can't be made: {error}", directory.display()).into())
}

/// What came of drawing a picture there; the error names the file.
pub fn drawn(path: &Path, outcome: Outcome) -> Outcome {
    outcome.map_err(|error| format!("drawing {} failed: {error}", path.display()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_has_gone_is_no_failure_and_a_full_disk_is() {
        assert!(written(Ok(())).is_ok());
        assert!(written(Err(ErrorKind::BrokenPipe.into())).is_ok());
        let why = written(Err(ErrorKind::StorageFull.into())).unwrap_err().to_string();
        assert!(why.starts_with("writing to standard output failed: "), "{why}");
    }

    #[test]
    fn a_picture_is_possible_where_a_file_can_be_made_and_nothing_is_left_there() {
        let path = std::env::temp_dir().join(format!("sockeye-picture-{}.svg", std::process::id()));
        check_picture(&path).expect("a file in the directory for temporary ones");
        assert!(!path.exists());
        fs::write(&path, "old").expect("a file");
        check_picture(&path).expect("a file that is there");
        assert_eq!(fs::read_to_string(&path).expect("text"), "old");
        fs::remove_file(&path).expect("removed");
        let nowhere = path.join("v.svg");
        let why = check_picture(&nowhere).unwrap_err().to_string();
        assert!(why.starts_with(&format!("{} can't be written: ", nowhere.display())), "{why}");
    }
}
