// Holds what the cards of the classes show, for whoever shows one on this page.

export default function (component) {
  globalThis.rbcalReferences = Object.fromEntries(component.data.classes.map((each) => [each.label, each]));
}
