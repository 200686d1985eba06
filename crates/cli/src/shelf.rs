//! Files that many connections want: read once, and handed to each as they lie in memory.
//!
//! Not mapped: whoever shortens a mapped file ends the process that reads it.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::iter;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lru::LruCache;
use sockeye::ChunkPool;

/// Files on a shelf: each has a descriptor open.
const FILES: NonZeroUsize = NonZeroUsize::new(256).expect("it is above zero");
/// Octets on a shelf: 256 MiB. What a single file has behind them is read anew for each connection.
const OCTETS: u64 = 256 << 20;

/// The files that were wanted last, as long as nobody changes them.
///
/// Holds at most 256 files and 256 MiB of what is in them; those that were wanted longest ago make room for others.
#[derive(Debug)]
pub struct Shelf {
    files: Mutex<LruCache<PathBuf, Arc<KeptFile>>>,
    chunks: Arc<ChunkPool>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { files: Mutex::new(LruCache::new(FILES)), chunks: Arc::default() }
    }
}

impl Shelf {
    /// The file of this name, of which `metadata` has just been asked.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn open(&self, path: &Path, metadata: &Metadata) -> io::Result<Arc<KeptFile>> {
        self.open_at(path, metadata, SystemTime::now())
    }

    /// [`Self::open`] at this time, which is not before `metadata` was asked for.
    ///
    /// # Errors
    /// When it can't be opened.
    pub fn open_at(&self, path: &Path, metadata: &Metadata, now: SystemTime) -> io::Result<Arc<KeptFile>> {
        let version = Version::of(metadata);
        if let Some(file) = self.lock().get(path).filter(|file| file.version == version) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(KeptFile::open(path, Arc::clone(&self.chunks))?);
        if file.version.is_settled(now) {
            self.keep(path, &file);
        }
        Ok(file)
    }

    fn keep(&self, path: &Path, file: &Arc<KeptFile>) {
        let mut files = self.lock();
        files.put(path.to_owned(), Arc::clone(file));
        let mut octets: u64 = files.iter().map(|(_, file)| file.kept()).sum();
        while octets > OCTETS
            && let Some((_, longest_ago)) = files.pop_lru()
        {
            octets -= longest_ago.kept();
        }
    }

    /// Where what is to be sent is put together.
    pub fn chunks(&self) -> &ChunkPool {
        &self.chunks
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<PathBuf, Arc<KeptFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What changes when somebody writes to a file, or puts another in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    octets: u64,
    /// Of the text, in seconds and nanoseconds. Whoever may write can put it back.
    modified: (i64, i64),
    /// Of anything about the file, which the kernel alone tells.
    changed: (i64, i64),
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        let (modified, changed) =
            ((metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec()));
        Self { device: metadata.dev(), inode: metadata.ino(), octets: metadata.len(), modified, changed }
    }

    /// Whether who writes to the file from now on gives it another time: not within one tick of the clock that tells its file
    /// system the time, nor while that is ahead of ours. Linux's has a hundred ticks a second or more; some file systems have
    /// room for every other second only, so that nothing stands behind the seconds.
    fn is_settled(&self, now: SystemTime) -> bool {
        [self.modified, self.changed].into_iter().all(|time| Self::is_over(time, now))
    }

    fn is_over((seconds, nanoseconds): (i64, i64), now: SystemTime) -> bool {
        let tick = Duration::from_millis(if nanoseconds == 0 { 2000 } else { 20 });
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else {
            return seconds < 0;
        };
        let time = SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds));
        time.and_then(|time| now.duration_since(time).ok()).is_some_and(|age| age > tick)
    }
}

/// A file as it was when it was opened, and what of it was read already.
#[derive(Debug)]
pub struct KeptFile {
    file: File,
    version: Version,
    /// Of [`ChunkPool::CHUNK`] octets each, but for the last.
    pieces: Box<[OnceLock<Bytes>]>,
    chunks: Arc<ChunkPool>,
}

impl KeptFile {
    fn open(path: &Path, chunks: Arc<ChunkPool>) -> io::Result<Self> {
        let file = File::open(path)?;
        let version = Version::of(&file.metadata()?);
        let kept = usize::try_from(version.octets.min(OCTETS)).unwrap_or_default();
        let pieces = (0..kept.div_ceil(ChunkPool::CHUNK)).map(|_| OnceLock::new()).collect();
        Ok(Self { file, version, pieces, chunks })
    }

    /// Octets of the file when it was opened.
    pub const fn octets(&self) -> u64 {
        self.version.octets
    }

    /// Octets of it that lie in memory once all was read.
    fn kept(&self) -> u64 {
        self.octets().min(OCTETS)
    }

    /// All of the file, piece by piece, to where it ends now.
    pub fn all(self: Arc<Self>) -> impl Iterator<Item = io::Result<Bytes>> {
        (0..).map_while(move |index| self.piece(index).transpose())
    }

    /// These octets of it, piece by piece; an error if the file has become shorter.
    pub fn part(&self, range: Range<u64>) -> impl Iterator<Item = io::Result<Bytes>> {
        let mut at = range.start;
        iter::from_fn(move || {
            let left = range.end.checked_sub(at).filter(|left| *left > 0)?;
            let piece = self.rest_of_piece(at).map(|rest| rest.slice(..rest.len().min(clamped(left))));
            at += piece.as_ref().map_or(left, |piece| piece.len() as u64);
            Some(piece)
        })
    }

    /// What is in a piece from this octet of the file on.
    fn rest_of_piece(&self, at: u64) -> io::Result<Bytes> {
        let (index, within) = (clamped(at) / ChunkPool::CHUNK, clamped(at) % ChunkPool::CHUNK);
        let piece = self.piece(index)?.filter(|piece| within < piece.len());
        piece.map(|piece| piece.slice(within..)).ok_or_else(|| ErrorKind::UnexpectedEof.into())
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

fn clamped(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
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

    use tempfile::TempDir;

    use super::*;

    /// A file that was written to so long ago.
    fn write(path: &Path, text: &[u8], ago: Duration) {
        fs::write(path, text).expect("there is room");
        let file = File::options().write(true).open(path).expect("it is there");
        file.set_modified(SystemTime::now() - ago).expect("it is ours");
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn place() -> (TempDir, PathBuf) {
        let directory = TempDir::new().expect("there is room for temporary files");
        let path = directory.path().join("file");
        (directory, path)
    }

    /// An hour after whatever has happened to the file.
    fn open(shelf: &Shelf, path: &Path) -> Arc<KeptFile> {
        open_at(shelf, path, SystemTime::now() + HOUR)
    }

    fn open_at(shelf: &Shelf, path: &Path, now: SystemTime) -> Arc<KeptFile> {
        shelf.open_at(path, &fs::metadata(path).expect("it is there"), now).expect("it can be opened")
    }

    fn whole(shelf: &Shelf, path: &Path) -> Vec<Bytes> {
        open(shelf, path).all().collect::<io::Result<_>>().expect("it can be read")
    }

    fn text(octets: u32) -> Vec<u8> {
        (0..octets).map(|at| at.to_le_bytes()[1]).collect()
    }

    #[test]
    fn a_file_is_read_once_until_it_changes() {
        let ((_directory, path), text) = (place(), text(200_001));
        write(&path, &text, HOUR);
        let shelf = Shelf::default();
        let (first, second) = (whole(&shelf, &path), whole(&shelf, &path));
        assert!(first.concat() == text);
        let places = |pieces: &[Bytes]| pieces.iter().map(|piece| piece.as_ptr()).collect::<Vec<_>>();
        assert_eq!(places(&first), places(&second), "the same memory");
        fs::write(&path, b"shorter").expect("there is room");
        assert_eq!(whole(&shelf, &path).concat(), b"shorter");
        fs::write(&path, b"").expect("there is room");
        assert!(whole(&shelf, &path).is_empty());
        assert!(first.concat() == text, "what is on its way stays as it was");
    }

    /// Two writes within one tick of the file system's clock have the same time, and here the same length.
    #[test]
    fn what_was_just_written_is_read_again() {
        let (_directory, path) = place();
        let shelf = Shelf::default();
        for text in [b"one", b"two"] {
            write(&path, text, HOUR);
            // Of a clock that stands still.
            let changed = fs::metadata(&path).expect("it is there").ctime();
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(changed.unsigned_abs());
            let file = open_at(&shelf, &path, now);
            assert!(!file.version.is_settled(now) && shelf.lock().is_empty());
            assert_eq!(file.all().collect::<io::Result<Vec<_>>>().expect("it can be read").concat(), text);
        }
    }

    #[test]
    fn a_time_that_was_put_back_hides_nothing() {
        let (_directory, path) = place();
        write(&path, b"one", HOUR);
        let before = fs::metadata(&path).expect("it is there");
        let shelf = Shelf::default();
        assert_eq!(whole(&shelf, &path).concat(), b"one");
        let time = |metadata: &Metadata| (metadata.ctime(), metadata.ctime_nsec());
        // The file system's clock has ticks: until the next.
        while fs::metadata(&path).is_ok_and(|now| time(&now) == time(&before)) {
            fs::write(&path, b"two").expect("there is room");
            let file = File::options().write(true).open(&path).expect("it is there");
            file.set_modified(before.modified().expect("it has one")).expect("it is ours");
        }
        assert_eq!(whole(&shelf, &path).concat(), b"two");
    }

    #[test]
    fn a_time_is_settled_once_the_clock_of_its_file_system_has_ticked() {
        let version = |modified, changed| Version { device: 0, inode: 0, octets: 0, modified, changed };
        let at = |milliseconds| SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
        for (modified, now, settled) in [
            ((10, 1), 10_010, false),
            ((10, 1), 10_030, true),
            ((10, 0), 10_030, false),
            ((10, 0), 12_001, true),
            ((10, 1), 9_000, false),
            ((-1, 5), 0, true),
            ((i64::MAX, 0), 0, false),
        ] {
            for version in [version(modified, (-1, 5)), version((-1, 5), modified)] {
                assert_eq!(version.is_settled(at(now)), settled, "{version:?} at {now} ms");
            }
        }
    }

    #[test]
    fn a_part_is_what_was_asked_for_and_lies_in_the_same_memory() {
        let ((_directory, path), text) = (place(), text(200_001));
        write(&path, &text, HOUR);
        let shelf = Shelf::default();
        let file = open(&shelf, &path);
        let chunk = ChunkPool::CHUNK as u64;
        for range in [0..0, 0..1, 0..200_001, chunk..2 * chunk, chunk - 1..chunk + 1, 200_000..200_001] {
            let part: Vec<_> = file.part(range.clone()).collect::<io::Result<_>>().expect("it is there");
            let (start, end) = (clamped(range.start), clamped(range.end));
            assert!(part.concat() == text[start..end], "{range:?}");
        }
        let all = whole(&shelf, &path);
        let last = file.part(200_000..200_001).next().expect("an octet").expect("it is there");
        assert_eq!(last.as_ptr(), all.last().expect("pieces").last().expect("octets"));
        let mut behind = file.part(200_000..200_002);
        assert_eq!(behind.next().expect("an octet").expect("it is there").len(), 1);
        assert_eq!(behind.next().expect("a reason").expect_err("it ends").kind(), ErrorKind::UnexpectedEof);
        assert!(behind.next().is_none());
    }

    #[test]
    fn who_was_wanted_longest_ago_makes_room() {
        let (directory, _) = place();
        let shelf = Shelf::default();
        let paths: Vec<_> = (0..3).map(|number| directory.path().join(number.to_string())).collect();
        for path in &paths {
            // Sparse: nobody reads them.
            write(path, b"", HOUR);
            File::options().write(true).open(path).and_then(|file| file.set_len(OCTETS / 2)).expect("it is ours");
            File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_modified(SystemTime::now() - HOUR))
                .expect("it is ours");
        }
        let (first, second) = (open(&shelf, &paths[0]), open(&shelf, &paths[1]));
        assert!(Arc::ptr_eq(&open(&shelf, &paths[0]), &first), "there is room for two");
        open(&shelf, &paths[2]);
        assert!(Arc::ptr_eq(&open(&shelf, &paths[0]), &first), "it was wanted after the second");
        assert!(!Arc::ptr_eq(&open(&shelf, &paths[1]), &second));
    }

    #[test]
    fn a_file_that_became_shorter_while_it_is_read_ends_there() {
        let (_directory, path) = place();
        write(&path, &vec![7; 3 * ChunkPool::CHUNK], HOUR);
        let mut chunks = open(&Shelf::default(), &path).all();
        assert_eq!(chunks.next().expect("a piece").expect("it can be read").len(), ChunkPool::CHUNK);
        fs::write(&path, vec![7; ChunkPool::CHUNK + 5]).expect("there is room");
        assert_eq!(chunks.next().expect("a piece").expect("it can be read").len(), 5);
        assert!(chunks.next().is_none());
    }
}
