/** @file Numbers as the page writes them. */

/** Three significant digits: 3.41, 0.0123, 2.1·10⁻⁵, 1,048,576. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "no number" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) {
    const [digits, power] = value.toExponential(1).split("e");
    return `${digits.replace("-", "−")}·10${raised(String(Number(power)))}`;
  }
  const written =
    size >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
  return written.replace("-", "−");
}

/** A loss, in three decimals. */
export const nats = (value: number): string => value.toFixed(3).replace("-", "−");

/** "4.3 MB": decimal units, as the papers write them. */
export function bytes(value: number): string {
  const unit = [1e12, 1e9, 1e6, 1e3].findIndex((size) => value >= size);
  return unit < 0
    ? `${value} B`
    : `${number(value / [1e12, 1e9, 1e6, 1e3][unit])} ${["TB", "GB", "MB", "kB"][unit]}`;
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const raised = (power: string): string =>
  Array.from(power, (sign) => (sign === "-" ? "⁻" : RAISED[Number(sign)])).join("");
