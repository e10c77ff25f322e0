//! The files: each request of SFTP is the call of the file system that has its name. RENAME replaces nothing.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use russh_sftp::protocol::{
    Attrs, Data, File as Entry, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode,
};
use russh_sftp::server::Handler;

/// What one client has open.
pub(crate) struct Files {
    root: PathBuf,
    open: HashMap<String, Open>,
    next: u64,
}

enum Open {
    File(File),
    /// Names that have not been listed yet.
    Directory(Vec<Entry>),
}

impl Files {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, open: HashMap::new(), next: 0 }
    }

    fn keep(&mut self, id: u32, open: Open) -> Handle {
        self.next += 1;
        let handle = self.next.to_string();
        self.open.insert(handle.clone(), open);
        Handle { id, handle }
    }

    fn file(&self, handle: &str) -> Result<&File, StatusCode> {
        match self.open.get(handle) {
            Some(Open::File(file)) => Ok(file),
            Some(Open::Directory(_)) | None => Err(StatusCode::Failure),
        }
    }

    /// Returns what the account calls `path`, without `.` and `..`.
    fn absolute(path: &str) -> PathBuf {
        let mut found = PathBuf::from("/");
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => found.push(name),
                Component::ParentDir => {
                    found.pop();
                }
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        found
    }

    fn real(&self, path: &str) -> PathBuf {
        self.root.join(Self::absolute(path).strip_prefix("/").expect("an absolute path"))
    }
}

fn code(error: &io::Error) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound => StatusCode::NoSuchFile,
        ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    }
}

fn status(id: u32, result: io::Result<()>) -> Result<Status, StatusCode> {
    result.map_err(|error| code(&error))?;
    Ok(Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Ok".to_owned(),
        language_tag: "en-US".to_owned(),
    })
}

fn attrs(id: u32, found: io::Result<Metadata>) -> Result<Attrs, StatusCode> {
    Ok(Attrs { id, attrs: FileAttributes::from(&found.map_err(|error| code(&error))?) })
}

fn name(id: u32, files: Vec<Entry>) -> Name {
    Name { id, files }
}

fn mode_of(attrs: &FileAttributes) -> Option<Permissions> {
    attrs.permissions.map(|mode| Permissions::from_mode(mode & 0o7777))
}

impl Handler for Files {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn open(
        &mut self,
        id: u32,
        path: String,
        flags: OpenFlags,
        _: FileAttributes,
    ) -> Result<Handle, StatusCode> {
        let file = OpenOptions::from(flags).open(self.real(&path)).map_err(|error| code(&error))?;
        Ok(self.keep(id, Open::File(file)))
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        self.open.remove(&handle).ok_or(StatusCode::Failure)?;
        status(id, Ok(()))
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, len: u32) -> Result<Data, StatusCode> {
        let mut data = vec![0; len as usize];
        let n = self.file(&handle)?.read_at(&mut data, offset).map_err(|error| code(&error))?;
        data.truncate(n);
        if data.is_empty() { Err(StatusCode::Eof) } else { Ok(Data { id, data }) }
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, StatusCode> {
        status(id, self.file(&handle)?.write_all_at(&data, offset))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        attrs(id, fs::symlink_metadata(self.real(&path)))
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        attrs(id, fs::metadata(self.real(&path)))
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusCode> {
        attrs(id, self.file(&handle)?.metadata())
    }

    async fn setstat(&mut self, id: u32, path: String, attrs: FileAttributes) -> Result<Status, StatusCode> {
        status(id, mode_of(&attrs).map_or(Ok(()), |mode| fs::set_permissions(self.real(&path), mode)))
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        attrs: FileAttributes,
    ) -> Result<Status, StatusCode> {
        let file = self.file(&handle)?;
        status(id, mode_of(&attrs).map_or(Ok(()), |mode| file.set_permissions(mode)))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusCode> {
        let entries = fs::read_dir(self.real(&path)).map_err(|error| code(&error))?;
        let entry = |entry: fs::DirEntry| {
            let attributes = entry.metadata().map(|found| FileAttributes::from(&found)).ok()?;
            Some(Entry::new(entry.file_name().to_string_lossy(), attributes))
        };
        let entries = entries.filter_map(Result::ok).filter_map(entry).collect();
        Ok(self.keep(id, Open::Directory(entries)))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusCode> {
        match self.open.get_mut(&handle) {
            Some(Open::Directory(left)) if left.is_empty() => Err(StatusCode::Eof),
            Some(Open::Directory(left)) => Ok(name(id, left.drain(..left.len().min(100)).collect())),
            Some(Open::File(_)) | None => Err(StatusCode::Failure),
        }
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        status(id, fs::remove_file(self.real(&path)))
    }

    async fn mkdir(&mut self, id: u32, path: String, _: FileAttributes) -> Result<Status, StatusCode> {
        status(id, fs::create_dir(self.real(&path)))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        status(id, fs::remove_dir(self.real(&path)))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusCode> {
        Ok(name(id, vec![Entry::dummy(Self::absolute(&path).to_string_lossy())]))
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusCode> {
        if fs::symlink_metadata(self.real(&to)).is_ok() {
            return Err(StatusCode::Failure);
        }
        status(id, fs::rename(self.real(&from), self.real(&to)))
    }
}
