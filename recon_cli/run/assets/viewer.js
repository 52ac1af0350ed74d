// An orbit view of a mesh or mesh sequence in plain WebGL: no library, no network.
// The page holds <figure class="viewer"> with a canvas, controls, and the packed sequence as JSON.
"use strict";

const VERTEX_SHADER = `
attribute vec3 position; attribute vec3 normal; attribute vec2 uv; attribute float value; attribute vec3 color;
uniform mat4 clipFromWorld; uniform vec3 eye;
varying vec3 vNormal; varying vec3 vToEye; varying vec2 vUv; varying float vValue; varying vec3 vColor;
void main() {
  vNormal = normal; vToEye = eye - position; vUv = uv; vValue = value; vColor = color;
  gl_Position = clipFromWorld * vec4(position, 1.0);
}`;

const FRAGMENT_SHADER = `
precision mediump float;
uniform int mode; uniform sampler2D image; uniform vec3 ink;
varying vec3 vNormal; varying vec3 vToEye; varying vec2 vUv; varying float vValue; varying vec3 vColor;
vec3 heat(float t) {  // black, purple, orange, pale yellow: close to the inferno map
  vec3 a = mix(vec3(0.07, 0.05, 0.18), vec3(0.53, 0.13, 0.42), smoothstep(0.0, 0.4, t));
  vec3 b = mix(a, vec3(0.95, 0.45, 0.10), smoothstep(0.35, 0.75, t));
  return mix(b, vec3(0.99, 0.96, 0.66), smoothstep(0.75, 1.0, t));
}
void main() {
  if (mode == 3) { gl_FragColor = vec4(ink, 1.0) * 0.25; return; }
  vec3 n = normalize(vNormal); vec3 v = normalize(vToEye);
  float facing = abs(dot(n, v));
  if (mode == 0) { gl_FragColor = vec4(texture2D(image, vUv).rgb * (0.72 + 0.28 * facing), 1.0); return; }
  if (mode == 4) { gl_FragColor = vec4(vColor * (0.72 + 0.28 * facing), 1.0); return; }
  if (mode == 2) { gl_FragColor = vec4(heat(vValue) * (0.7 + 0.3 * facing), 1.0); return; }
  bool front = dot(n, v) > 0.0;
  vec3 cloth = front ? vec3(0.93, 0.90, 0.84) : vec3(0.80, 0.85, 0.92);
  vec3 lamp = normalize(v + vec3(0.35, -0.6, -0.2));
  float light = 0.30 + 0.42 * facing + 0.34 * pow(abs(dot(n, lamp)), 2.0);
  gl_FragColor = vec4(cloth * light, 1.0);
}`;

const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const subtract = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const scale = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const unit = (a) => scale(a, 1 / (Math.hypot(...a) || 1));

class Sequence {
  constructor(data) {
    this.data = data;
    const steps = new Uint16Array(decode(data.positions));
    this.triangles = new Uint32Array(decode(data.triangles));
    this.uvs = data.uvs ? new Float32Array(decode(data.uvs)) : new Float32Array(data.vertices * 2);
    this.values = data.values ? new Uint8Array(decode(data.values)) : null;
    this.colors = data.colors ? Float32Array.from(new Uint8Array(decode(data.colors)), (level) => level / 255) : new Float32Array(data.vertices * 3);
    this.steps = steps;
    this.positions = new Float32Array(data.vertices * 3);
    this.normals = new Float32Array(data.vertices * 3);
    this.levels = new Float32Array(data.vertices);
    this.lines = this.edges();
  }
  edges() {
    const seen = new Set(), out = [], t = this.triangles, n = this.data.vertices;
    for (let i = 0; i < t.length; i += 3) {
      for (const [a, b] of [[t[i], t[i + 1]], [t[i + 1], t[i + 2]], [t[i + 2], t[i]]]) {
        const key = Math.min(a, b) * n + Math.max(a, b);
        if (!seen.has(key)) { seen.add(key); out.push(a, b); }
      }
    }
    return new Uint32Array(out);
  }
  load(frame) {
    const { low, high, vertices } = this.data, p = this.positions, at = frame * vertices * 3;
    for (let i = 0; i < p.length; i++) {
      const axis = i % 3;
      p[i] = low[axis] + (high[axis] - low[axis]) * this.steps[at + i] / 65535;
    }
    if (this.values) for (let i = 0; i < vertices; i++) this.levels[i] = this.values[frame * vertices + i] / 255;
    const n = this.normals.fill(0), t = this.triangles;
    for (let i = 0; i < t.length; i += 3) {
      const [a, b, c] = [t[i] * 3, t[i + 1] * 3, t[i + 2] * 3];
      const u = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
      const v = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
      const w = cross(u, v);
      for (const k of [a, b, c]) for (let j = 0; j < 3; j++) n[k + j] += w[j];
    }
  }
}

class Orbit {
  constructor(data) {
    this.target = scale(add(data.low, data.high), 0.5);
    this.size = Math.hypot(...subtract(data.high, data.low)) || 1;
    this.forward = unit(subtract(this.target, data.eye));
    this.right = unit(cross(this.forward, data.up));
    this.up = cross(this.right, this.forward);
    this.reset();
  }
  reset() { this.yaw = 0; this.pitch = 0; this.zoom = 1; this.shift = [0, 0]; }
  axes() {
    const [cy, sy, cp, sp] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
    const level = add(scale(this.forward, cy), scale(this.right, sy));
    const forward = unit(add(scale(level, cp), scale(this.up, -sp)));
    const right = unit(subtract(scale(this.right, cy), scale(this.forward, sy)));
    return { forward, right, up: cross(right, forward) };
  }
  clipFromWorld(aspect) {
    const { forward, right, up } = this.axes();
    const angle = 0.5, near = this.size * 0.02, far = this.size * 40;
    const distance = this.size * 0.53 / Math.tan(angle / 2) / this.zoom / Math.min(1, aspect);
    const target = add(this.target, add(scale(right, this.shift[0]), scale(up, this.shift[1])));
    const eye = subtract(target, scale(forward, distance));
    const f = 1 / Math.tan(angle / 2), A = (far + near) / (near - far), B = 2 * far * near / (near - far);
    const rows = [[scale(right, f / aspect), 0], [scale(up, f), 0], [scale(forward, -A), B], [forward, 0]];
    const matrix = new Float32Array(16);
    rows.forEach(([axis, offset], row) => {
      for (let k = 0; k < 3; k++) matrix[k * 4 + row] = axis[k];
      matrix[12 + row] = -dot(axis, eye) + offset;
    });
    return { matrix, eye, reach: distance };
  }
}

class Painter {
  constructor(canvas, sequence, redraw) {
    const gl = canvas.getContext("webgl", { antialias: true, alpha: true });
    if (!gl || !gl.getExtension("OES_element_index_uint")) throw new Error("WebGL is off");
    this.gl = gl; this.canvas = canvas; this.sequence = sequence;
    this.program = this.link();
    gl.useProgram(this.program);
    this.buffers = {};
    for (const name of ["position", "normal", "uv", "value", "color"]) this.buffers[name] = gl.createBuffer();
    this.fill = this.indices(sequence.triangles);
    this.wire = this.indices(sequence.lines);
    if (sequence.data.texture) this.loadTexture(sequence.data.texture, redraw);
  }
  link() {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX_SHADER], [gl.FRAGMENT_SHADER, FRAGMENT_SHADER]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text); gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    return program;
  }
  indices(array) {
    const gl = this.gl, buffer = gl.createBuffer();
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, array, gl.STATIC_DRAW);
    return { buffer, count: array.length };
  }
  loadTexture(source, redraw) {
    const gl = this.gl, image = new Image();
    image.onload = () => {
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, true);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, image);
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
      redraw();
    };
    image.src = source;
  }
  attribute(name, array, width) {
    const gl = this.gl, place = gl.getAttribLocation(this.program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, array, gl.DYNAMIC_DRAW);
    if (place < 0) return;
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, width, gl.FLOAT, false, 0, 0);
  }
  draw(orbit, mode, wireframe, ink) {
    const gl = this.gl, ratio = window.devicePixelRatio || 1, s = this.sequence;
    const width = Math.round(this.canvas.clientWidth * ratio), height = Math.round(this.canvas.clientHeight * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) { this.canvas.width = width; this.canvas.height = height; }
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST); gl.enable(gl.POLYGON_OFFSET_FILL); gl.polygonOffset(1, 1);
    gl.enable(gl.BLEND); gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.attribute("position", s.positions, 3); this.attribute("normal", s.normals, 3);
    this.attribute("uv", s.uvs, 2); this.attribute("value", s.levels, 1);
    this.attribute("color", s.colors, 3);
    const place = (name) => gl.getUniformLocation(this.program, name);
    const { matrix, eye } = orbit.clipFromWorld(width / height);
    gl.uniformMatrix4fv(place("clipFromWorld"), false, matrix);
    gl.uniform3fv(place("eye"), eye); gl.uniform3fv(place("ink"), ink);
    gl.uniform1i(place("mode"), mode);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.fill.buffer);
    gl.drawElements(gl.TRIANGLES, this.fill.count, gl.UNSIGNED_INT, 0);
    if (!wireframe) return;
    gl.uniform1i(place("mode"), 3);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.wire.buffer);
    gl.drawElements(gl.LINES, this.wire.count, gl.UNSIGNED_INT, 0);
  }
}

class Viewer {
  constructor(figure) {
    const find = (name) => figure.querySelector(`[data-part="${name}"]`);
    this.sequence = new Sequence(JSON.parse(find("data").textContent));
    this.canvas = find("canvas"); this.slider = find("slider"); this.label = find("label");
    this.playButton = find("play"); this.mode = find("mode"); this.wire = find("wire");
    this.orbit = new Orbit(this.sequence.data);
    this.painter = new Painter(this.canvas, this.sequence, () => this.redraw());
    this.frame = 0; this.playing = false;
    this.slider.addEventListener("input", () => { this.pause(); this.show(Number(this.slider.value)); });
    this.playButton.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.mode.addEventListener("change", () => this.redraw());
    this.wire.addEventListener("change", () => this.redraw());
    find("reset").addEventListener("click", () => { this.orbit.reset(); this.redraw(); });
    find("side").addEventListener("click", () => { this.orbit.reset(); this.orbit.yaw = -1.2; this.redraw(); });
    find("top").addEventListener("click", () => { this.orbit.reset(); this.orbit.pitch = 1.2; this.redraw(); });
    this.listen();
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    this.show(0);
  }
  listen() {
    const canvas = this.canvas, fingers = new Map();
    let spread = 0;
    canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, [e.clientX, e.clientY]); spread = 0; });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (e) => { fingers.delete(e.pointerId); spread = 0; });
    canvas.addEventListener("pointermove", (e) => {
      const last = fingers.get(e.pointerId);
      if (!last) return;
      const step = [(e.clientX - last[0]) / fingers.size, (e.clientY - last[1]) / fingers.size];
      fingers.set(e.pointerId, [e.clientX, e.clientY]);
      if (fingers.size === 2) {
        const [a, b] = [...fingers.values()], now = Math.hypot(a[0] - b[0], a[1] - b[1]);
        if (spread) this.orbit.zoom *= now / spread;
        spread = now;
      }
      if (fingers.size === 2 || e.shiftKey || e.buttons & 6) this.pan(step); else this.turn(step);
      this.redraw();
    });
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      this.orbit.zoom = Math.min(12, Math.max(0.2, this.orbit.zoom * Math.exp(-e.deltaY * 0.0012)));
      this.redraw();
    }, { passive: false });
    canvas.addEventListener("dblclick", () => { this.orbit.reset(); this.redraw(); });
    canvas.addEventListener("contextmenu", (e) => e.preventDefault());
    canvas.addEventListener("keydown", (e) => {
      const turns = { ArrowLeft: [-12, 0], ArrowRight: [12, 0], ArrowUp: [0, -12], ArrowDown: [0, 12] };
      if (turns[e.key]) this.turn(turns[e.key]); else if (e.key === " ") this.playButton.click(); else return;
      e.preventDefault(); this.redraw();
    });
  }
  turn(step) {
    this.orbit.yaw += step[0] * 0.008;
    this.orbit.pitch = Math.min(1.55, Math.max(-1.55, this.orbit.pitch + step[1] * 0.008));
  }
  pan(step) {
    const perPixel = this.orbit.size * 1.06 / this.orbit.zoom / this.canvas.clientHeight;
    this.orbit.shift[0] -= step[0] * perPixel; this.orbit.shift[1] += step[1] * perPixel;
  }
  show(frame) {
    const data = this.sequence.data;
    this.frame = Math.min(data.frames - 1, Math.max(0, frame));
    this.slider.value = String(this.frame);
    this.label.textContent = `frame ${this.frame * data.stride} · ${(this.frame * data.stride / data.fps).toFixed(2)} s`;
    this.sequence.load(this.frame);
    moveCursors(this.frame * data.stride);
    this.redraw();
  }
  play() {
    this.playing = true; this.playButton.textContent = "Pause";
    if (this.frame === this.sequence.data.frames - 1) this.show(0);
    const start = performance.now(), first = this.frame, { frames, fps, stride } = this.sequence.data;
    const tick = (now) => {
      if (!this.playing) return;
      const frame = (first + Math.floor((now - start) / 1000 * fps / stride)) % frames;
      if (frame !== this.frame) this.show(frame);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
  pause() { this.playing = false; this.playButton.textContent = "Play"; }
  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
      this.painter.draw(this.orbit, Number(this.mode.value), this.wire.checked, dark ? [0.95, 0.96, 1] : [0.08, 0.1, 0.16]);
    });
  }
}

// The vertical line in every chart follows the frame that the view shows.
function moveCursors(frame) {
  for (const line of document.querySelectorAll("[data-cursor]")) {
    const [left, right, first, last] = line.dataset.cursor.split(" ").map(Number);
    const x = left + (right - left) * (last > first ? Math.min(1, Math.max(0, (frame - first) / (last - first))) : 0);
    line.setAttribute("x1", x); line.setAttribute("x2", x);
  }
}

for (const figure of document.querySelectorAll("figure.viewer")) {
  try { new Viewer(figure); } catch (error) {
    figure.querySelector("[data-part=stage]").textContent = `This browser cannot draw the 3D view (${error.message}). The meshes are in the folder out.`;
  }
}
