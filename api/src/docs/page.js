// Everything that would ask another machine is off.
Scalar.createApiReference("#api", {
  url: "/openapi.json",
  withDefaultFonts: false,
  telemetry: false,
  proxyUrl: "",
  agent: { disabled: true },
  mcp: { disabled: true },
  showDeveloperTools: "never",
  hideClientButton: true,
  documentDownloadType: "direct",
  operationTitleSource: "summary",
  defaultOpenAllTags: false,
  hideDarkModeToggle: false,
  authentication: { preferredSecurityScheme: "bearer" },
});
