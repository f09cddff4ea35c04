import { type BrokerId, SortedMap, type Uuid } from "@samsa/base";
import {
  changesBetween,
  type ControllerImage,
  EMPTY_IMAGE,
  METADATA_VERSION,
  METADATA_VERSION_FEATURE,
  type MetadataImage,
} from "@samsa/metadata";
import { Apis, type ControllerRegistrationRequest, Errors } from "@samsa/protocol";
import { World } from "@samsa/sim";
import { expect, test } from "vitest";
import type { ControllerChannel } from "../src/controller/controller-channel.ts";
import { ControllerRegistration } from "../src/lifecycle/controller-registration.ts";

const OWN = "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid;
const OTHER = "AAAAAAAAAAAAAAAAAAAAAg" as Uuid;

/** Controller 3 in a world, and the answers of the active controller. */
class Controller {
  readonly world = new World(1);
  readonly sent: ControllerRegistrationRequest[] = [];
  readonly registration: ControllerRegistration;
  answer = 0;
  isSilent = false;
  #image = EMPTY_IMAGE;

  constructor() {
    const { env } = this.world.node("controller");
    const call = (_api: string, request: object): Promise<unknown> => {
      this.sent.push(request as ControllerRegistrationRequest);
      if (this.isSilent) return new Promise(() => undefined);
      return Promise.resolve(Apis.ControllerRegistration.response.defaults({ errorCode: this.answer }));
    };
    this.registration = new ControllerRegistration({
      env,
      nodeId: 3,
      incarnationId: OWN,
      config: { "listener.security.protocol.map": "CONTROLLER:SASL_SSL" },
      endpoints: [{ name: "CONTROLLER", host: "c3", port: 9093 }],
      channel: { call } as ControllerChannel,
    });
  }

  publish(changed: Partial<MetadataImage>): void {
    const base = this.#image;
    this.#image = { ...base, ...changed };
    this.registration.publish(changesBetween(base, this.#image), this.#image);
  }

  level(metadataVersion: number): void {
    this.publish({ features: SortedMap.of([[METADATA_VERSION_FEATURE, metadataVersion]]) });
  }

  registered(incarnationId: Uuid | undefined): void {
    const body = { controllerId: 3, zkMigrationReady: false, endPoints: [], features: [] };
    const all: [BrokerId, ControllerImage][] = incarnationId === undefined ? [] : [[3, { ...body, incarnationId }]];
    this.publish({ controllers: SortedMap.of(all) });
  }

  run(ms: number): Promise<void> {
    return this.world.runFor(ms);
  }
}

test("a controller registers once the metadata version allows it", async () => {
  const controller = new Controller();
  controller.publish({});
  controller.level(METADATA_VERSION.controllersRegister - 1);
  await controller.run(1000);
  expect(controller.sent).toEqual([]);
  controller.level(METADATA_VERSION.controllersRegister);
  await controller.run(300_000);
  expect(controller.sent).toHaveLength(1);
  const [request] = controller.sent;
  expect(request).toMatchObject({ controllerId: 3, incarnationId: OWN, zkMigrationReady: false });
  expect(request?.listeners).toEqual([{ name: "CONTROLLER", host: "c3", port: 9093, securityProtocol: 3 }]);
  const names = request?.features.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["kraft.version", METADATA_VERSION_FEATURE]));
});

test("a controller registers again after another process of its id, or a removal", async () => {
  const controller = new Controller();
  controller.registered(OTHER);
  controller.level(METADATA_VERSION.controllersRegister);
  await controller.run(1000);
  expect(controller.sent).toHaveLength(1);
  controller.registered(OWN);
  controller.level(METADATA_VERSION.controllersRegister + 1);
  await controller.run(1000);
  expect(controller.sent, "it is registered").toHaveLength(1);
  controller.registered(OTHER);
  await controller.run(1000);
  controller.registered(OWN);
  controller.registered(undefined);
  await controller.run(1000);
  expect(controller.sent).toHaveLength(3);
});

test("a refused registration is sent again after pauses that double, one request at a time, until the stop", async () => {
  const controller = new Controller();
  controller.answer = Errors.REQUEST_TIMED_OUT.code;
  controller.level(METADATA_VERSION.controllersRegister);
  await controller.run(1000);
  expect(controller.sent.length, "after 0, 100, 300 and 700 ms").toBe(4);
  controller.isSilent = true;
  await controller.run(1000);
  controller.level(METADATA_VERSION.controllersRegister + 1);
  await controller.run(300_000);
  expect(controller.sent).toHaveLength(5);

  const other = new Controller();
  other.answer = Errors.NOT_CONTROLLER.code;
  other.level(METADATA_VERSION.controllersRegister);
  await other.run(50);
  other.registration.close();
  await other.run(300_000);
  expect(other.sent).toHaveLength(1);
});
