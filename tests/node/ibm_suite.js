// IBM's integration suite of its Node client, re-created: the same calls in the same order, and what it expects.
// The suite is test/integration/iam-identity.v1.test.js of @ibm-cloud/platform-services, as far as it is about API
// keys, service IDs and limits; each call has the name of its test there. Tells as JSON which calls passed.
// Usage: node ibm_suite.js, with SERVER_URL, IBMCLOUD_API_KEY, IAM_ID and ACCOUNT_ID in the environment.

'use strict';

const assert = require('node:assert/strict');
const IamIdentityV1 = require('@ibm-cloud/platform-services/iam-identity/v1');
const { IamAuthenticator } = require('@ibm-cloud/platform-services/auth');
const { getQueryParam } = require('ibm-cloud-sdk-core');

const { SERVER_URL: url, IBMCLOUD_API_KEY: apikey, IAM_ID: iamId, ACCOUNT_ID: accountId } = process.env;
const service = new IamIdentityV1({ authenticator: new IamAuthenticator({ apikey, url }), serviceUrl: url });

const keyName = 'Node-SDK-IT-ApiKey-1767225600000';
const serviceName = 'Node-SDK-IT-ServiceId-1767225600000';
const newDescription = 'This is an updated description';
const made = {};

async function resultOf(promise, status = 200) {
  const answer = await promise;
  assert.equal(answer.status, status);
  return answer.result;
}

async function isGone(promise) {
  await assert.rejects(promise, { status: 404 });
}

async function cleanupResources() {
  const { apikeys } = await resultOf(service.listApiKeys({ accountId, iamId, pagesize: 100 }));
  for (const { id } of apikeys.filter((key) => key.name === keyName)) {
    await resultOf(service.deleteApiKey({ id }), 204);
  }
  const { serviceids } = await resultOf(service.listServiceIds({ accountId, name: serviceName, pagesize: 100 }));
  for (const { id } of serviceids) {
    await resultOf(service.deleteServiceId({ id }), 204);
  }
  assert.deepEqual((await resultOf(service.listProfiles({ accountId }))).profiles, []);
  assert.deepEqual((await resultOf(service.listProfileTemplates({ accountId }))).profile_templates, []);
  const settings = await resultOf(service.listAccountSettingsTemplates({ accountId }));
  assert.deepEqual(settings.account_settings_templates, []);
}

const calls = {
  cleanupResources,

  async createApiKey1() {
    const description = 'NodeSDK test apikey #1';
    const wanted = { name: keyName, iamId, description, expiresAt: '2049-01-02T18:30:00+0000' };
    made.key1 = (await resultOf(service.createApiKey(wanted), 201)).id;
  },

  async createApiKey2() {
    const wanted = { name: keyName, iamId, description: 'NodeSDK test apikey #2' };
    made.key2 = (await resultOf(service.createApiKey(wanted), 201)).id;
  },

  async getApiKey() {
    const key = await resultOf(service.getApiKey({ id: made.key1, includeHistory: true, includeActivity: true }));
    assert.deepEqual([key.id, key.name], [made.key1, keyName]);
    assert.deepEqual([key.iam_id, key.created_by, key.account_id], [iamId, iamId, accountId]);
    assert.deepEqual([key.locked, key.disabled, key.support_sessions], [false, false, false]);
    assert.ok(key.created_at && key.crn && key.action_when_leaked);
    made.keyTag = key.entity_tag;
  },

  async getApiKeysDetails() {
    const key = await resultOf(service.getApiKeysDetails({ iamApiKey: apikey, includeHistory: true }));
    assert.deepEqual([key.iam_id, key.created_by, key.account_id], [iamId, iamId, accountId]);
    assert.ok(key.created_at);
    assert.equal(key.locked, false);
  },

  async listApiKeys() {
    const found = [];
    let pagetoken;
    do {
      const page = await resultOf(
        service.listApiKeys({ accountId, iamId, pagesize: 100, includeHistory: true, pagetoken })
      );
      assert.equal(page.limit, 100);
      found.push(...page.apikeys.filter((key) => key.name === keyName));
      pagetoken = getQueryParam(page.next, 'pagetoken');
    } while (pagetoken);
    assert.equal(found.length, 2);
  },

  // The date lies in the past.
  async updateApiKey() {
    const change = { description: newDescription, expiresAt: '2026-01-02T18:30:00+0000' };
    const key = await resultOf(service.updateApiKey({ id: made.key1, ifMatch: made.keyTag, ...change }));
    assert.equal(key.description, newDescription);
  },

  async lockApiKey() {
    await resultOf(service.lockApiKey({ id: made.key2 }), 204);
    assert.equal((await resultOf(service.getApiKey({ id: made.key2 }))).locked, true);
  },

  async unlockApiKey() {
    await resultOf(service.unlockApiKey({ id: made.key2 }), 204);
    assert.equal((await resultOf(service.getApiKey({ id: made.key2 }))).locked, false);
  },

  async disableApiKey() {
    await resultOf(service.disableApiKey({ id: made.key2 }), 204);
    assert.equal((await resultOf(service.getApiKey({ id: made.key2 }))).disabled, true);
  },

  async enableApiKey() {
    await resultOf(service.enableApiKey({ id: made.key2 }), 204);
    assert.equal((await resultOf(service.getApiKey({ id: made.key2 }))).disabled, false);
  },

  async deleteApiKey1() {
    await resultOf(service.deleteApiKey({ id: made.key1 }), 204);
    await isGone(service.getApiKey({ id: made.key1 }));
  },

  async deleteApiKey2() {
    await resultOf(service.deleteApiKey({ id: made.key2 }), 204);
    await isGone(service.getApiKey({ id: made.key2 }));
  },

  async createServiceId() {
    const wanted = {
      accountId,
      name: serviceName,
      description: 'NodeSDK ServiceId desc',
      apikey: { name: 'APIKey Name', store_value: true, expires_at: '2049-01-02T18:30:00+0000' },
    };
    made.service = (await resultOf(service.createServiceId(wanted), 201)).id;
  },

  async getServiceId() {
    const wanted = { id: made.service, includeHistory: true, includeActivity: true };
    const found = await resultOf(service.getServiceId(wanted));
    assert.deepEqual(
      [found.id, found.name, found.description],
      [made.service, serviceName, 'NodeSDK ServiceId desc']
    );
    made.serviceTag = found.entity_tag;
  },

  async listServiceIds() {
    const page = await resultOf(service.listServiceIds({ accountId, name: serviceName, pagesize: 100 }));
    assert.equal(page.serviceids.length, 1);
    assert.equal(page.offset, 0);
    assert.equal(page.next, undefined);
  },

  async updateServiceId() {
    const change = { id: made.service, ifMatch: made.serviceTag, description: newDescription };
    assert.equal((await resultOf(service.updateServiceId(change))).description, newDescription);
  },

  async lockServiceId() {
    await resultOf(service.lockServiceId({ id: made.service }), 204);
    assert.equal((await resultOf(service.getServiceId({ id: made.service }))).locked, true);
  },

  async unlockServiceId() {
    await resultOf(service.unlockServiceId({ id: made.service }), 204);
    assert.equal((await resultOf(service.getServiceId({ id: made.service }))).locked, false);
  },

  // It still has the key that was made with it.
  async deleteServiceId() {
    await resultOf(service.deleteServiceId({ id: made.service }), 204);
    await isGone(service.getServiceId({ id: made.service }));
  },

  async getAccountLimits() {
    assert.ok(await resultOf(service.getAccountLimits({ accountId })));
  },

  async bulkListAccountEntityConsumption() {
    const wanted = { accountId, serviceidGroups: true, profiles: true, templates: true, idps: true };
    assert.ok(await resultOf(service.bulkListAccountEntityConsumption(wanted)));
  },

  cleanupResourcesAgain: cleanupResources,
};

(async () => {
  const passed = [];
  try {
    for (const [name, call] of Object.entries(calls)) {
      await call();
      passed.push(name);
    }
  } catch (error) {
    console.error(`after ${passed.at(-1)}:`, error);
    process.exitCode = 1;
  }
  console.log(JSON.stringify(passed));
})();
