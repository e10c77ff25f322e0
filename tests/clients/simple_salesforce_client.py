"""Runs simple-salesforce through what a client does with Salesforce, and checks what comes of it.

simple-salesforce speaks https to *.salesforce.com and nothing else. Its code is used as it is; only
the TCP connections are led to the server on loopback, whose certificate is the one authority trusted.

Usage: simple_salesforce_client.py PORT CA_FILE PRIVATE_KEY
"""

import datetime
import email.utils
import sys
import warnings

import requests
import urllib3.util.connection
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

# The client's advice on self-authorisation is of no use here.
warnings.simplefilter("ignore", UserWarning)
port, ca_file, private_key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
connect = urllib3.util.connection.create_connection
urllib3.util.connection.create_connection = lambda address, *rest, **named: connect(
    ("127.0.0.1", port), *rest, **named
)
session = requests.Session()
session.verify = ca_file
session.trust_env = False

APP = {"consumer_key": "fidelity-app", "consumer_secret": "fidelity-secret"}
DOMAIN = "fidelity.my"
done = 0


def ok(what):
    global done
    done += 1
    print(f"ok {done} - {what}")


def expect(condition, what, found=None):
    if not condition:
        sys.exit(f"not ok - {what}: {found!r}")
    ok(what)


def refused(exception, code, call, what):
    """Checks that `call` raises `exception` and that the body names `code`."""
    try:
        found = call()
    except exception as error:
        body = f"{getattr(error, 'content', None)!r} {error}"
        expect(code in body, f"{what}: {type(error).__name__} {code}", body)
    else:
        expect(False, what, found)


def control(method, path, body=None):
    answer = session.request(method, f"https://{DOMAIN}.salesforce.com/__control/{path}", json=body)
    answer.raise_for_status()
    return answer.json()


# Logging in, each way that the client has.
ways = {
    "JWT bearer": {"username": "fidelity@example.com", "consumer_key": "fidelity-app", "privatekey_file": private_key},
    "client credentials": {**APP, "domain": DOMAIN},
    "username and password": {**APP, "username": "fidelity@example.com", "password": "fidelity-password"},
}
for name, arguments in ways.items():
    sf = Salesforce(version="66.0", session=session, **{"domain": "login", **arguments})
    expect(sf.query("SELECT COUNT() FROM Build__c")["totalSize"] == 4500, f"login by {name}")
expect(sf.sf_instance == f"{DOMAIN}.salesforce.com", "the instance is the one of the answer", sf.sf_instance)
wrong = {**ways["username and password"], "password": "wrong", "domain": "login"}
refused(SalesforceAuthenticationFailed, "authentication failure", lambda: Salesforce(session=session, **wrong), "wrong password")
wrong = {**ways["JWT bearer"], "username": "somebody@example.com", "domain": "login"}
refused(SalesforceAuthenticationFailed, "approved", lambda: Salesforce(session=session, **wrong), "user who is not approved")

# Reading.
rows = sf.query_all("SELECT Id, Name, Priority__c FROM Build__c ORDER BY Name")
names = [row["Name"] for row in rows["records"]]
expect(rows["totalSize"] == 4500 and names == [f"b{i:04}" for i in range(4500)], "4500 records, each once, in order")
first = sf.query("SELECT Name FROM Build__c")
expect(not first["done"] and len(first["records"]) == 2000 and "nextRecordsUrl" in first, "a page has 2000 records")
more = sf.query_more(first["nextRecordsUrl"], identifier_is_url=True)
expect(len(more["records"]) == 2000 and not more["done"], "the next page by its address")
expect(rows["records"][0]["attributes"]["type"] == "Build__c", "records have attributes")
expect(
    [row["Name"] for row in sf.query(
        "SELECT Name FROM Build__c WHERE Name IN ('b0001', 'B0002') AND Build_Path__c != null AND "
        "(Magma_Intraware_Upload__c = null OR Magma_Intraware_Upload__c = 'Error') ORDER BY Name DESC LIMIT 5"
    )["records"]] == ["b0002", "b0001"],
    "WHERE with IN, AND, OR, null, ORDER BY and LIMIT; letter case is ignored",
)
about = sf.Build__c.describe()
fields = {field["name"]: field for field in about["fields"]}
expect(fields["MD5_Digest__c"]["length"] == 32 and fields["Id"]["type"] == "id", "describe gives types and lengths")
values = [value["value"] for value in fields["Magma_Intraware_Upload__c"]["picklistValues"]]
expect("Do Not Release" in values and fields["Magma_Intraware_Upload__c"]["restrictedPicklist"], "describe gives picklists")
expect("Build__c" in [entry["name"] for entry in sf.describe()["sobjects"]], "the list of objects")
expect(sf.limits()["DailyApiRequests"]["Max"] > 0, "limits")
usage = sf.api_usage["api-usage"]
expect(usage.used > 0 and usage.total == 15000, "usage from Sforce-Limit-Info", usage)

# Writing.
made = sf.Build__c.create({"Name": "O'Hara \\ é", "Build_Path__c": "/builds/new", "Payload_Size__c": 5000000007})
expect(made["success"] and len(made["id"]) == 18, "create", made)
build = made["id"]
found = sf.query("SELECT Id FROM Build__c WHERE Name = 'O\\'Hara \\\\ é'")
expect([row["Id"] for row in found["records"]] == [build], "a name with quote, backslash and accent is found")
expect(sf.Build__c.get(build[:15])["Payload_Size__c"] == 5000000007, "get by the id of 15 characters")
expect(sf.Build__c.update(build, {"Magma_Intraware_Upload__c": "In Process", "MD5_Digest__c": "d" * 32}) == 204, "update")
row = sf.Build__c.get(build)
expect((row["Magma_Intraware_Upload__c"], row["MD5_Digest__c"]) == ("In Process", "d" * 32), "the update is there")
sf.Build__c.update(build, {"MD5_Digest__c": None})
expect(sf.Build__c.get(build)["MD5_Digest__c"] is None, "null clears a field")

# Conditions.
modified = datetime.datetime.strptime(row["LastModifiedDate"], "%Y-%m-%dT%H:%M:%S.%f%z")
date = email.utils.format_datetime(modified.astimezone(datetime.timezone.utc), usegmt=True)
control("POST", "advance", {"seconds": 10})
expect(sf.Build__c.update(build, {"Priority__c": 1}, headers={"If-Unmodified-Since": email.utils.formatdate(
    modified.timestamp() + 5, usegmt=True)}) == 204, "update with If-Unmodified-Since that holds")
answer = session.patch(
    f"{sf.base_url}sobjects/Build__c/{build}", json={"Priority__c": 2},
    headers={**sf.headers, "If-Unmodified-Since": date},
)
expect(answer.status_code == 412, "update with If-Unmodified-Since that does not hold: 412", answer.status_code)
expect(sf.Build__c.get(build)["Priority__c"] == 1, "nothing was changed")
answer = session.get(f"{sf.base_url}sobjects/Build__c/{build}", headers={
    **sf.headers, "If-Modified-Since": email.utils.formatdate(modified.timestamp() + 3600, usegmt=True)})
expect(answer.status_code == 304, "get with If-Modified-Since: 304", answer.status_code)

# Refusals.
bad = SalesforceMalformedRequest
refused(bad, "MALFORMED_QUERY", lambda: sf.query("SELECT Id FROM Build__c WHERE"), "half a query")
refused(bad, "MALFORMED_QUERY", lambda: sf.query("SELECT Id FROM Build__c WHERE Name = 'a\\q'"), "an escape that does not exist")
refused(bad, "MALFORMED_QUERY", lambda: sf.query("SELECT Id FROM Build__c WHERE Name = 'a' OR Name = 'b' AND Name = 'c'"), "AND and OR without parentheses")
refused(bad, "INVALID_FIELD", lambda: sf.query("SELECT Nothing__c FROM Build__c"), "a field that does not exist")
refused(bad, "INVALID_FIELD", lambda: sf.query("SELECT Id FROM Build__c WHERE Notes__c = 'x'"), "comparing long text")
refused(bad, "INVALID_TYPE", lambda: sf.query("SELECT Id FROM Nothing__c"), "an object that does not exist")
refused(bad, "INVALID_FIELD", lambda: sf.Build__c.update(build, {"Nothing__c": 1}), "writing a field that does not exist")
refused(bad, "STRING_TOO_LONG", lambda: sf.Build__c.update(build, {"MD5_Digest__c": "d" * 33}), "a text that is too long")
refused(bad, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        lambda: sf.Build__c.update(build, {"Magma_Intraware_Upload__c": "Done"}), "a value that is not in the picklist")
refused(bad, "JSON_PARSER_ERROR", lambda: sf.Build__c.update(build, {"Payload_Size__c": "many"}), "text for a number")
refused(bad, "INVALID_FIELD_FOR_INSERT_UPDATE", lambda: sf.Build__c.update(build, {"LastModifiedDate": row["LastModifiedDate"]}), "a field of the system")
sf.Build__c.update(build, {"Magma_Intraware_Upload__c": "Do Not Release"})
refused(bad, "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        lambda: sf.Build__c.update(build, {"Magma_Intraware_Upload__c": "Completed"}), "leaving Do Not Release")
expect(sf.Build__c.delete(build) == 204, "delete")
refused(SalesforceResourceNotFound, "ENTITY_IS_DELETED", lambda: sf.Build__c.get(build), "a record that was deleted")
refused(SalesforceResourceNotFound, "NOT_FOUND", lambda: sf.Nothing__c.describe(), "describing what does not exist")

# The session's end: a client that was given a session says so.
stale = Salesforce(version="66.0", session=session, session_id=sf.session_id, instance=sf.sf_instance)
control("POST", "expire-sessions")
refused(SalesforceExpiredSession, "INVALID_SESSION_ID", lambda: stale.query("SELECT Id FROM Build__c LIMIT 1"), "an expired session")
print(f"simple-salesforce: {done} checks passed")
