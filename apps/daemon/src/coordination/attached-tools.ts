export { serveAttachedTools } from "@canopy/server/attached-tools";
