// IBM's own Node client, unmodified: tells as JSON what it saw in one chapter of its journey.
// Usage: node journey.js CHAPTER, with SERVER_URL, IBMCLOUD_API_KEY and IAM_ID in the environment.

'use strict';

const IamIdentityV1 = require('@ibm-cloud/platform-services/iam-identity/v1');
const { IamAuthenticator } = require('@ibm-cloud/platform-services/auth');
const { getQueryParam } = require('ibm-cloud-sdk-core');

const url = process.env.SERVER_URL;
const iamId = process.env.IAM_ID;
const accountId = process.env.ACCOUNT_ID;

function serviceFor(apikey, options = {}) {
  const authenticator = new IamAuthenticator({ apikey, url, ...options });
  return new IamIdentityV1({ authenticator, serviceUrl: url });
}

const service = serviceFor(process.env.IBMCLOUD_API_KEY);

// The result, or what the client says of a refusal.
async function seen(promise) {
  try {
    const { status, result } = await promise;
    return { status, result };
  } catch (error) {
    return { status: error.status, message: error.message, body: error.body };
  }
}

async function names(client, parameters = {}) {
  const { result } = await client.listApiKeys(parameters);
  return result.apikeys.map((key) => key.name);
}

// A use is counted beside the request, a moment later.
async function counted(parameters) {
  for (let turn = 0; ; turn += 1) {
    const got = await service.getApiKey(parameters);
    if (got.result.activity.authn_count > 0 || turn === 100) {
      return got;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const chapters = {
  async create() {
    const created = await service.createApiKey({
      name: 'terraform',
      iamId,
      accountId,
      description: 'Applies changes',
      storeValue: false,
      supportSessions: true,
      actionWhenLeaked: 'disable',
      expiresAt: '2090-01-31T18:00+0000',
    });
    const { id, apikey } = created.result;
    const user = serviceFor(apikey);
    const used = await names(user);
    const got = await counted({ id, includeHistory: true, includeActivity: true });
    return {
      created: { status: created.status, result: created.result },
      used,
      got: got.result,
      etag: got.headers.etag,
      details: (await service.getApiKeysDetails({ iamApiKey: apikey, includeHistory: true })).result,
      locked: (await service.createApiKey({ name: 'locked', iamId, entityLock: 'true' })).result.locked,
      disabled: (await service.createApiKey({ name: 'disabled', iamId, entityDisable: 'true' })).result.disabled,
    };
  },

  async list() {
    for (const name of ['terraform prod', 'TERRAFORM test', 'ansible']) {
      await service.createApiKey({ name, iamId });
    }
    const pages = [];
    let pagetoken;
    do {
      const { result } = await service.listApiKeys({ pagesize: 1, pagetoken, sort: 'name' });
      pages.push(result.apikeys.map((key) => key.name));
      pagetoken = getQueryParam(result.next, 'pagetoken');
    } while (pagetoken && pages.length < 20);
    return {
      pages,
      filtered: await names(service, { filter: 'name co "terraform"', sort: 'name' }),
      descending: await names(service, { sort: 'name', order: 'desc' }),
      whole_account: await seen(service.listApiKeys({ scope: 'account' })),
    };
  },

  async change() {
    const { result: key } = await service.createApiKey({ name: 'terraform', iamId, description: 'Applies changes' });
    const { id } = key;
    const user = serviceFor(key.apikey);
    await names(user);
    const report = {
      key,
      fresh: await seen(service.updateApiKey({ id, ifMatch: key.entity_tag, name: 'opentofu', description: '' })),
      stale: await seen(service.updateApiKey({ id, ifMatch: key.entity_tag, name: 'too late' })),
      lock: await seen(service.lockApiKey({ id })),
      update_locked: await seen(service.updateApiKey({ id, ifMatch: '*', name: 'changed' })),
      delete_locked: await seen(service.deleteApiKey({ id })),
      use_locked: await seen(user.listApiKeys({})),
      unlock: await seen(service.unlockApiKey({ id })),
      disable: await seen(service.disableApiKey({ id })),
      use_disabled: await seen(user.listApiKeys({})),
      exchange_disabled: await seen(serviceFor(key.apikey).listApiKeys({})),
      enable: await seen(service.enableApiKey({ id })),
      use_enabled: await seen(user.listApiKeys({})),
      before_delete: (await service.getApiKey({ id })).result,
      delete: await seen(service.deleteApiKey({ id })),
      use_deleted: await seen(user.listApiKeys({})),
      get_deleted: await seen(service.getApiKey({ id })),
      left: await names(service),
    };
    return report;
  },

  async service_ids() {
    const { status, result: robot } = await service.createServiceId({
      accountId,
      name: 'robot',
      description: 'Of the build',
      apikey: { name: 'first key' },
    });
    const { id, iam_id: robotId } = robot;
    const { result: second } = await service.createApiKey({ name: 'second key', iamId: robotId });
    const first = robot.apikey;
    const report = {
      status,
      robot,
      got: (await service.getServiceId({ id, includeHistory: true })).result,
      listed: (await service.listServiceIds({ accountId, name: 'robot', pagesize: 1 })).result,
      used: await names(serviceFor(second.apikey), { sort: 'name' }),
      fresh: await seen(service.updateServiceId({ id, ifMatch: robot.entity_tag, name: 'android' })),
      stale: await seen(service.updateServiceId({ id, ifMatch: robot.entity_tag, name: 'too late' })),
      limits: (
        await service.getAccountLimits({ accountId, apikeysPerIdentity: `${iamId},${robotId}` })
      ).result,
    };
    await service.lockApiKey({ id: first.id });
    report.delete_with_locked_key = await seen(service.deleteServiceId({ id }));
    await service.unlockApiKey({ id: first.id });
    report.before_delete = await names(service, { iamId: robotId, sort: 'name' });
    report.lock = await seen(service.lockServiceId({ id }));
    report.delete_locked = await seen(service.deleteServiceId({ id }));
    report.unlock = await seen(service.unlockServiceId({ id }));
    report.delete = await seen(service.deleteServiceId({ id }));
    report.get_deleted = await seen(service.getServiceId({ id }));
    report.get_deleted_key = await seen(service.getApiKey({ id: second.id }));
    return report;
  },

  async refresh() {
    const named = serviceFor(process.env.IBMCLOUD_API_KEY, { clientId: 'bx', clientSecret: 'bx' });
    const before = await names(named);
    const authenticator = named.getAuthenticator();
    const refreshToken = authenticator.getRefreshToken();
    const manager = authenticator.tokenManager;
    const spent = await manager.getToken();
    manager.expireTime = 0;
    manager.refreshTime = 0;
    const after = await names(named);
    return { before, after, renewed: (await manager.getToken()) !== spent, refresh_token: refreshToken };
  },

  async refused() {
    return {
      unknown: await seen(serviceFor(`apk_${'x'.repeat(40)}`).listApiKeys({})),
      profiles: (await service.listProfiles({ accountId })).result,
      templates: (await service.listProfileTemplates({ accountId })).result,
    };
  },
};

chapters[process.argv[2]]().then(
  (report) => console.log(JSON.stringify(report)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  }
);
