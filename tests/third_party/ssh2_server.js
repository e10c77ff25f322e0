// Serves a directory over SFTP by npm's ssh2: ssh2_server.js PORT DIRECTORY
//
// DIRECTORY has `host_key`, `client.pub` and `site`, which is what the account sees as its root. ssh2 leaves the files to
// whoever uses it. Here each request is the call of `fs` that has its name, with a callback, as people write it: so calls
// of two requests run in two threads, in any order. Flags of OPEN are those that ssh2's own table knows.
'use strict';
const fs = require('fs');
const path = require('path');
const { Server, utils: { parseKey, sftp: { flagsToString, STATUS_CODE } } } = require('ssh2');

const [port, directory] = process.argv.slice(2);
const client = parseKey(fs.readFileSync(`${directory}/client.pub`));
const root = `${directory}/site`;
const real = (name) => root + path.posix.resolve('/', name);

const STATUS = { ENOENT: STATUS_CODE.NO_SUCH_FILE, EACCES: STATUS_CODE.PERMISSION_DENIED, EPERM: STATUS_CODE.PERMISSION_DENIED };
const statusOf = (error) => (error ? STATUS[error.code] ?? STATUS_CODE.FAILURE : STATUS_CODE.OK);
const attributes = ({ mode, uid, gid, size, atimeMs, mtimeMs }) =>
  ({ mode, uid, gid, size, atime: Math.floor(atimeMs / 1000), mtime: Math.floor(mtimeMs / 1000) });

function serve(sftp) {
  const open = new Map();
  let next = 0;
  const keep = (value) => {
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(next);
    open.set(next++, value);
    return handle;
  };
  const kept = (handle) => open.get(handle.readUInt32BE());
  const status = (id) => (error) => sftp.status(id, statusOf(error));
  const seen = (id) => (error, found) => (error ? status(id)(error) : sftp.attrs(id, attributes(found)));
  const change = (id, { mode }, call) => (mode === undefined ? status(id)() : call(mode & 0o7777, status(id)));

  sftp.on('OPEN', (id, name, flags, { mode }) => {
    const known = flagsToString(flags);
    if (!known) return sftp.status(id, STATUS_CODE.FAILURE);
    fs.open(real(name), known, mode, (error, fd) => (error ? status(id)(error) : sftp.handle(id, keep({ fd }))));
  });
  sftp.on('CLOSE', (id, handle) => {
    const { fd } = kept(handle);
    open.delete(handle.readUInt32BE());
    if (fd === undefined) sftp.status(id, STATUS_CODE.OK);
    else fs.close(fd, status(id));
  });
  sftp.on('READ', (id, handle, offset, length) => {
    const buffer = Buffer.alloc(length);
    fs.read(kept(handle).fd, buffer, 0, length, offset, (error, bytes) => {
      if (error) status(id)(error);
      else if (bytes === 0) sftp.status(id, STATUS_CODE.EOF);
      else sftp.data(id, buffer.subarray(0, bytes));
    });
  });
  sftp.on('WRITE', (id, handle, offset, data) => {
    fs.write(kept(handle).fd, data, 0, data.length, offset, status(id));
  });
  sftp.on('STAT', (id, name) => fs.stat(real(name), seen(id)));
  sftp.on('LSTAT', (id, name) => fs.lstat(real(name), seen(id)));
  sftp.on('FSTAT', (id, handle) => fs.fstat(kept(handle).fd, seen(id)));
  sftp.on('SETSTAT', (id, name, changes) => change(id, changes, (mode, done) => fs.chmod(real(name), mode, done)));
  sftp.on('FSETSTAT', (id, handle, changes) => change(id, changes, (mode, done) => fs.fchmod(kept(handle).fd, mode, done)));
  sftp.on('OPENDIR', (id, name) => {
    fs.readdir(real(name), (error, names) => (error ? status(id)(error) : sftp.handle(id, keep({ dir: real(name), names }))));
  });
  sftp.on('READDIR', (id, handle) => {
    const { dir, names } = kept(handle);
    if (names.length === 0) return sftp.status(id, STATUS_CODE.EOF);
    const entries = names.splice(0, 100).map((filename) => {
      const found = fs.lstatSync(`${dir}/${filename}`, { throwIfNoEntry: false });
      return { filename, longname: filename, attrs: found ? attributes(found) : {} };
    });
    sftp.name(id, entries);
  });
  sftp.on('REALPATH', (id, name) => {
    sftp.name(id, [{ filename: path.posix.resolve('/', name), longname: '', attrs: {} }]);
  });
  sftp.on('MKDIR', (id, name) => fs.mkdir(real(name), status(id)));
  sftp.on('RMDIR', (id, name) => fs.rmdir(real(name), status(id)));
  sftp.on('REMOVE', (id, name) => fs.unlink(real(name), status(id)));
  sftp.on('RENAME', (id, from, to) => {
    // As the protocol wants it: not over a name that is taken.
    fs.lstat(real(to), (absent) => (absent ? fs.rename(real(from), real(to), status(id)) : sftp.status(id, STATUS_CODE.FAILURE)));
  });
}

const server = new Server({ hostKeys: [fs.readFileSync(`${directory}/host_key`)] }, (connection) => {
  connection.on('authentication', (context) => {
    const isKnown = context.method === 'publickey' && context.key.data.equals(client.getPublicSSH()) &&
      (!context.signature || client.verify(context.blob, context.signature, context.hashAlgo));
    if (isKnown) context.accept();
    else context.reject(['publickey']);
  });
  connection.on('session', (accept) => accept().on('sftp', (acceptSftp) => serve(acceptSftp())));
  // A client that has gone.
  connection.on('error', () => {});
});
server.listen(Number(port), '127.0.0.1');
