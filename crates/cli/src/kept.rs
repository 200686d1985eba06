//! A file that many connections want: read once, and handed to each as it lies in memory.
//!
//! Not mapped: whoever shortens a mapped file ends the process that reads it.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use sockeye::ChunkPool;

/// Pieces of a file that are kept: its first 256 MiB. Those behind them are read anew for each connection.
const KEPT: usize = (256 << 20) / ChunkPool::CHUNK;

/// A file by its name, and what of it was read already.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    known: Mutex<Option<Arc<Content>>>,
}

/// A file as it was at some time.
#[derive(Debug)]
struct Content {
    file: File,
    version: Version,
    pieces: Box<[OnceLock<Bytes>]>,
    chunks: ChunkPool,
}

/// What changes when somebody writes to a file, or puts another in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    octets: u64,
    modified: (i64, i64),
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        Self { device: metadata.dev(), inode: metadata.ino(), octets: metadata.len(), modified }
    }
}

impl KeptFile {
    /// The file of this name, which is to be there when it is wanted.
    pub const fn new(path: PathBuf) -> Self {
        Self { path, known: Mutex::new(None) }
    }

    /// The file as it is now, piece by piece.
    ///
    /// # Errors
    /// When it can't be opened; and then, of each piece, what reading returns.
    pub fn chunks(&self) -> io::Result<impl Iterator<Item = io::Result<Bytes>> + use<>> {
        let file = File::open(&self.path)?;
        let version = Version::of(&file.metadata()?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let content = match &*known {
            Some(content) if content.version == version => Arc::clone(content),
            _ => Arc::clone(known.insert(Arc::new(Content::new(file, version)))),
        };
        drop(known);
        Ok((0..).map_while(move |index| content.piece(index).transpose()))
    }
}

impl Content {
    fn new(file: File, version: Version) -> Self {
        let count = usize::try_from(version.octets).unwrap_or(usize::MAX).div_ceil(ChunkPool::CHUNK);
        let pieces = (0..count.min(KEPT)).map(|_| OnceLock::new()).collect();
        Self { file, version, pieces, chunks: ChunkPool::default() }
    }

    /// The piece with this number; `None` behind the end.
    fn piece(&self, index: usize) -> io::Result<Option<Bytes>> {
        let place = self.pieces.get(index);
        if let Some(kept) = place.and_then(OnceLock::get) {
            return Ok(Some(kept.clone()));
        }
        let at = index as u64 * ChunkPool::CHUNK as u64;
        let piece = self.chunks.fill(ChunkPool::CHUNK, |buffer| read_at(&self.file, buffer, at))?;
        if let Some(place) = place.filter(|_| !piece.is_empty()) {
            // Another connection may have been faster, and has read the same.
            let _ = place.set(piece.clone());
        }
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read_at(room, at + filled as u64) {
            Ok(0) => break,
            Ok(octets) => filled += octets,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn whole(file: &KeptFile) -> Vec<Bytes> {
        file.chunks().expect("it is there").collect::<io::Result<_>>().expect("it can be read")
    }

    #[test]
    fn a_file_is_read_once_until_it_changes() {
        let directory = tempfile::TempDir::new().expect("there is room for temporary files");
        let path = directory.path().join("file");
        let text: Vec<u8> = (0..200_001_u32).map(|at| at.to_le_bytes()[1]).collect();
        fs::write(&path, &text).expect("there is room");
        let file = KeptFile::new(path.clone());
        let (first, second) = (whole(&file), whole(&file));
        assert!(first.concat() == text);
        let places = |pieces: &[Bytes]| pieces.iter().map(|piece| piece.as_ptr()).collect::<Vec<_>>();
        assert_eq!(places(&first), places(&second), "the same memory");
        fs::write(&path, b"shorter").expect("there is room");
        assert_eq!(whole(&file).concat(), b"shorter");
        fs::write(&path, b"").expect("there is room");
        assert!(whole(&file).is_empty());
        assert!(first.concat() == text, "what is on its way stays as it was");
    }

    #[test]
    fn a_file_that_became_shorter_while_it_is_read_ends_there() {
        let directory = tempfile::TempDir::new().expect("there is room for temporary files");
        let path = directory.path().join("file");
        fs::write(&path, vec![7; 3 * ChunkPool::CHUNK]).expect("there is room");
        let mut chunks = KeptFile::new(path.clone()).chunks().expect("it is there");
        assert_eq!(chunks.next().expect("a piece").expect("it can be read").len(), ChunkPool::CHUNK);
        fs::write(&path, vec![7; ChunkPool::CHUNK + 5]).expect("there is room");
        assert_eq!(chunks.next().expect("a piece").expect("it can be read").len(), 5);
        assert!(chunks.next().is_none());
    }
}
