export { Authority, type Credentials } from "./authority.ts";
