// Requests to the server. Every failure is an ApiError with a code the page can act on.

export class ApiError extends Error {
  constructor(code, message, { status = 0, retryAfter = undefined, detail = {} } = {}) {
    super(message);
    Object.assign(this, { code, status, retryAfter, detail });
  }

  /** Whether sending the same again may work later. */
  get passes() {
    if (this.code === "too-many") return this.retryAfter !== null;
    return ["offline", "busy", "full", "internal"].includes(this.code);
  }
}

export async function request(method, path, body = undefined, options = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(20000),
      ...options,
    });
  } catch (error) {
    throw new ApiError("offline", String(error.message ?? error));
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    // A proxy's error page, or a server that died in the middle of an answer.
    throw new ApiError(response.ok ? "offline" : "internal", `HTTP ${response.status}`, {
      status: response.status,
    });
  }
  if (response.ok) return answer;
  const {
    code = "internal",
    message = `HTTP ${response.status}`,
    retry_after,
    ...detail
  } = answer.error ?? {};
  throw new ApiError(code, message, { status: response.status, retryAfter: retry_after, detail });
}

export const get = (path) => request("GET", path);
export const put = (path, body) => request("PUT", path, body);
export const post = (path, body = {}) => request("POST", path, body);
export const remove = (path) => request("DELETE", path);
