// Serves a directory over FTP by ftp-srv: ftp_srv_server.js PORT DIRECTORY
//
// DIRECTORY has `password`, which is that of the account `upload`, and `site`, which is what the account sees as its root.
'use strict';
const fs = require('fs');
const { FtpSrv } = require('ftp-srv');

const [port, directory] = process.argv.slice(2);
const known = fs.readFileSync(`${directory}/password`, 'utf8');
const server = new FtpSrv({ url: `ftp://127.0.0.1:${port}`, pasv_url: '127.0.0.1' });
server.on('login', ({ username, password }, accept, refuse) => {
  if (username === 'upload' && password === known) accept({ root: `${directory}/site` });
  else refuse(new Error('wrong account or password'));
});
server.listen();
