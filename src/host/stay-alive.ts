/** Node leaves when only unreferenced timers are waited for; until the returned function is called it does not. */
export function stayAlive(): () => void {
  const timer = setInterval(() => undefined, 2 ** 30);
  return () => clearInterval(timer);
}
