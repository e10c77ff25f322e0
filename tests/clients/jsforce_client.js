// Runs jsforce through what a client does with Salesforce, and checks what comes of it.
//
// Usage: jsforce_client.js LOGIN_URL

const jsforce = require('jsforce');

const loginUrl = process.argv[2];
let done = 0;

function expect(condition, what, found) {
  if (!condition) {
    console.log(`not ok - ${what}: ${JSON.stringify(found)}`);
    process.exit(1);
  }
  done += 1;
  console.log(`ok ${done} - ${what}`);
}

async function refused(code, call, what) {
  let found;
  try {
    found = await call();
  } catch (error) {
    expect([error.errorCode, error.name].includes(code), `${what}: ${code}`, [error.errorCode, error.name, error.message]);
    return;
  }
  expect(false, what, found);
}

async function control(path, body = {}) {
  const answer = await fetch(`${loginUrl}/__control/${path}`, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
}

function connection() {
  return new jsforce.Connection({
    version: '66.0',
    oauth2: { loginUrl, clientId: 'fidelity-app', clientSecret: 'fidelity-secret' },
  });
}

async function main() {
  const one = connection();
  await one.login('fidelity@example.com', 'fidelity-password');
  expect(one.instanceUrl === loginUrl, 'login by user name and password', one.instanceUrl);
  const conn = connection();
  await conn.authorize({ grant_type: 'client_credentials' });
  expect(conn.accessToken && conn.accessToken !== one.accessToken, 'login by client credentials');
  await refused('invalid_grant', () => connection().login('fidelity@example.com', 'wrong'), 'wrong password');

  const names = [];
  const query = conn.query('SELECT Id, Name FROM Build__c ORDER BY Name');
  await new Promise((resolve, reject) => {
    query.on('record', (row) => names.push(row.Name)).on('end', resolve).on('error', reject);
    query.run({ autoFetch: true, maxFetch: 10000 });
  });
  expect(names.length === 4500 && names.every((name, i) => name === `b${String(i).padStart(4, '0')}`),
    '4500 records in pages, each once, in order', names.length);
  const page = await conn.query('SELECT Id FROM Build__c', { headers: { 'Sforce-Query-Options': 'batchSize=200' } });
  expect(page.totalSize === 4500 && page.records.length === 200 && !page.done, 'a page of 200 when asked for', page.records.length);
  const next = await conn.queryMore(page.nextRecordsUrl);
  expect(next.records.length === 200 && next.records[0].Id !== page.records[0].Id, 'the next page by its address');

  const builds = conn.sobject('Build__c');
  const found = await builds.find({ Name: { $in: ['b0001', 'b0002'] }, Build_Path__c: { $ne: null },
    $or: [{ Magma_Intraware_Upload__c: null }, { Magma_Intraware_Upload__c: 'Error' }] }, ['Name', 'Priority__c'])
    .sort({ Name: -1 }).limit(5);
  expect(found.map((row) => row.Name).join() === 'b0002,b0001', 'find with $in, $ne, $or, sort and limit', found);
  expect(await builds.count({ Priority__c: { $gte: 8 } }) === 900, 'count');
  const about = await builds.describe();
  const status = about.fields.find((field) => field.name === 'Magma_Intraware_Upload__c');
  expect(status.restrictedPicklist && status.picklistValues.some((value) => value.value === 'Completed' && value.active),
    'describe gives picklists');
  const everything = await conn.describeGlobal();
  expect(everything.sobjects.some((object) => object.name === 'Build__c'), 'the list of objects');
  expect((await conn.limits()).DailyApiRequests.Max === 15000, 'limits');
  expect(conn.limitInfo.apiUsage.limit === 15000 && conn.limitInfo.apiUsage.used > 0, 'usage from Sforce-Limit-Info', conn.limitInfo);
  expect((await conn.identity()).username === 'fidelity@example.com', 'identity');

  const made = await builds.create({ Name: "O'Hara \\ é", Build_Path__c: '/builds/new' });
  expect(made.success && made.id.length === 18, 'create', made);
  // jsforce escapes quotes but no backslashes, and is refused for it, there as here.
  await refused('MALFORMED_QUERY', () => builds.find({ Name: "O'Hara \\ é" }, ['Id']), 'a backslash that is not escaped');
  const named = await conn.query("SELECT Id FROM Build__c WHERE Name = 'O\\'Hara \\\\ é'");
  expect(named.totalSize === 1 && named.records[0].Id === made.id, 'a name with quote, backslash and accent is found', named);
  const updated = await builds.update({ Id: made.id, Magma_Intraware_Upload__c: 'In Process', Payload_Size__c: 5000000007 });
  expect(updated.success, 'update', updated);
  const row = await builds.retrieve(made.id);
  expect(row.Magma_Intraware_Upload__c === 'In Process' && row.Payload_Size__c === 5000000007, 'retrieve', row);

  const earlier = new Date(new Date(row.LastModifiedDate).getTime() - 60000).toUTCString();
  await control('advance', { seconds: 10 });
  await refused('PRECONDITION_FAILED', () => builds.update({ Id: made.id, Priority__c: 2 },
    { headers: { 'If-Unmodified-Since': earlier } }), 'update with If-Unmodified-Since that does not hold');
  expect((await builds.retrieve(made.id)).Priority__c === null, 'nothing was changed');

  const failing = (fields) => () => builds.update({ Id: made.id, ...fields });
  await refused('MALFORMED_QUERY', () => conn.query('SELECT FROM Build__c'), 'half a query');
  await refused('INVALID_FIELD', () => conn.query('SELECT Nothing__c FROM Build__c'), 'a field that does not exist');
  await refused('INVALID_TYPE', () => conn.query('SELECT Id FROM Nothing__c'), 'an object that does not exist');
  await refused('STRING_TOO_LONG', failing({ MD5_Digest__c: 'd'.repeat(33) }), 'a text that is too long');
  await refused('INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST', failing({ Magma_Intraware_Upload__c: 'Done' }), 'a value that is not in the picklist');
  await builds.update({ Id: made.id, Magma_Intraware_Upload__c: 'Do Not Release' });
  await refused('FIELD_CUSTOM_VALIDATION_EXCEPTION', failing({ Magma_Intraware_Upload__c: 'Completed' }), 'leaving Do Not Release');
  const deleted = await builds.delete(made.id);
  expect(deleted.success, 'delete', deleted);
  await refused('ENTITY_IS_DELETED', () => builds.retrieve(made.id), 'a record that was deleted');

  await control('fault', { fault: 'request-limit', on: 'query' });
  await refused('REQUEST_LIMIT_EXCEEDED', () => conn.query('SELECT Id FROM Build__c'), 'an allowance that is used up');
  let renewals = 0;
  const lasting = new jsforce.Connection({
    version: '66.0',
    instanceUrl: conn.instanceUrl,
    accessToken: conn.accessToken,
    refreshFn: async (_, renewed) => {
      renewals += 1;
      const other = connection();
      await other.authorize({ grant_type: 'client_credentials' });
      renewed(null, other.accessToken);
    },
  });
  await control('expire-sessions');
  const again = await lasting.query('SELECT Id FROM Build__c LIMIT 1');
  expect(again.records.length === 1 && renewals === 1, 'an expired session is renewed and the query repeated', renewals);
  console.log(`jsforce: ${done} checks passed`);
}

main().catch((error) => {
  console.log(`not ok - ${error.stack}`);
  process.exit(1);
});
