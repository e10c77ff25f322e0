// Makes a signing key by OpenPGP.js: openpgpjs_keys.js KIND DIRECTORY
//
// Writes `secret`, `public`, and `signature`, which is over `payload`, to DIRECTORY, which has `payload` and `passphrase`.
'use strict';
const fs = require('fs');
const openpgp = require('openpgp');

const [kind, directory] = process.argv.slice(2);
const passphrase = fs.readFileSync(`${directory}/passphrase`, 'utf8');
const { sha3_512: sha3 } = openpgp.enums.hash;
const hours = (n) => new Date(Date.now() + n * 3600 * 1000);
const ed25519 = { type: 'ecc', curve: 'ed25519Legacy' };
const signing = { subkeys: [{ sign: true }] };
const kinds = {
  ed25519,
  curve25519: { type: 'curve25519' },
  curve448: { type: 'curve448' },
  v6: { type: 'curve25519', config: { v6Keys: true } },
  'nist-p256': { type: 'ecc', curve: 'nistP256' },
  'nist-p384': { type: 'ecc', curve: 'nistP384' },
  'nist-p521': { type: 'ecc', curve: 'nistP521' },
  'brainpool-p256': { type: 'ecc', curve: 'brainpoolP256r1' },
  'brainpool-p512': { type: 'ecc', curve: 'brainpoolP512r1' },
  secp256k1: { type: 'ecc', curve: 'secp256k1' },
  rsa2048: { type: 'rsa', rsaBits: 2048 },
  rsa3072: { type: 'rsa', rsaBits: 3072 },
  rsa4096: { type: 'rsa', rsaBits: 4096 },
  rsa5120: { type: 'rsa', rsaBits: 5120 },
  subkey: { ...ed25519, ...signing },
  'subkey-27': { ...ed25519, subkeys: [{ sign: true, type: 'curve25519' }] },
  'subkey-of-27': { type: 'curve25519', subkeys: [{ sign: true, ...ed25519 }] },
  'subkey-expires': { ...ed25519, subkeys: [{ sign: true, keyExpirationTime: 30 * 86400 }] },
  passphrase: { ...ed25519, passphrase },
  aead: { ...ed25519, passphrase, config: { aeadProtect: true } },
  argon2: { ...ed25519, passphrase, config: { aeadProtect: true, s2kType: openpgp.enums.s2k.argon2 } },
  sha3: { ...ed25519, config: { preferredHashAlgorithm: sha3 } },
  'expires-in-a-year': { ...ed25519, keyExpirationTime: 365 * 86400 },
  expired: { ...ed25519, date: hours(-48), keyExpirationTime: 24 * 3600 },
  future: { ...ed25519, date: hours(48) },
  revoked: ed25519,
  'two-users': { ...ed25519, userIDs: [{ name: 'Build Signing' }, { email: 'signing@builds.example' }] },
};

async function main() {
  const { config: settings, ...options } = kinds[kind];
  const config = { ...openpgp.config, ...settings, rejectCurves: new Set() };
  const userIDs = [{ name: 'Build Signing', email: 'signing@builds.example' }];
  const made = await openpgp.generateKey({ userIDs, ...options, config, format: 'object' });
  let { privateKey } = made;
  if (kind === 'revoked') ({ privateKey } = await openpgp.revokeKey({ key: privateKey, format: 'object' }));
  fs.writeFileSync(`${directory}/secret`, privateKey.armor());
  fs.writeFileSync(`${directory}/public`, privateKey.toPublic().armor());
  const signingKeys = privateKey.isDecrypted()
    ? privateKey
    : await openpgp.decryptKey({ privateKey, passphrase });
  const message = await openpgp.createMessage({ binary: fs.readFileSync(`${directory}/payload`) });
  try {
    const signature = await openpgp.sign({ message, signingKeys, detached: true, config });
    fs.writeFileSync(`${directory}/signature`, signature);
  } catch (error) {
    console.error(`it signs nothing: ${error.message}`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
