"""A small seeded grammar that writes everyday shop and household messages.

The demo checkpoint is pretrained on text made here, so nothing has to be downloaded and anyone can remake it.
A frame is a line of text with two kinds of holes: ``{slot}`` is replaced by a random entry of ``WORDS[slot]``
(which may hold further holes), and ``[a|b|c]`` by one of the alternatives, of which one may be empty. In the
blocks below a line that is indented further continues the line before it.

Every message keeps to one topic, because that is what lets a masked language model learn which words belong
together. The frames were written for this file; no row of the demo data set is used here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

CORE_TOPICS = ("delivery", "refund", "damage", "address", "cancel", "payment", "account", "product")
NOUN_SLOTS = ("decor", "kitchen", "furniture", "clothing", "toy", "gadget", "garden_item", "paper_item")
BACKGROUND_SHARE = 0.12  # of the messages: enough household talk to give nouns a second context
SENTENCE_COUNTS = (1, 2, 2, 3, 4)
TYPO_SHARE = 0.015  # of the longer words
CONTRACTION_SHARE = 0.6  # of the places where one is possible
JOINTS = (", ", ", and ", " and ", " - ", ", so ", " because ", ", but ", "; ", " ... ")
HOLE = re.compile(r"\{(\w+)\}|\[([^\[\]]*)\]")
NEGATED = ("is", "are", "was", "were", "do", "does", "did", "has", "have", "had", "would", "could", "should")
CONTRACTIONS = {
    **{f"{verb} not": f"{verb}n't" for verb in NEGATED},
    **{f"{who} have": f"{who}'ve" for who in ("i", "we", "you", "they")},
    **{f"{who} will": f"{who}'ll" for who in ("i", "we", "you", "they", "it")},
    **{f"{who} is": f"{who}'s" for who in ("it", "that", "there", "what", "where", "who", "here")},
    **{"i am": "i'm", "we are": "we're", "they are": "they're", "you are": "you're"},
    **{"i would": "i'd", "we would": "we'd", "cannot": "can't", "will not": "won't"},
}
CONTRACTIBLE = re.compile(r"\b(" + "|".join(CONTRACTIONS) + r")\b")

WORDS_TEXT = """
    name: anna, tom, priya, omar, lucy, ben, sofia, jack, mina, peter, carla, hugo, nina, sam, ines, leo
    person: wife, husband, mother, mum, dad, father, sister, brother, son, daughter, aunt, uncle, cousin,
        grandmother, niece, nephew, friend, best friend, colleague, boss, flatmate, partner, girlfriend,
        boyfriend, neighbour, little boy, kid, toddler, teacher, carer, landlord, mother in law, ex, family,
        grandad, granny, parents, sister in law, godson, customer, guest, manager, assistant, housemate,
        children, kids
    pet: dog, cat, puppy, rabbit, kitten, parrot
    weekday: monday, tuesday, wednesday, thursday, friday, saturday, sunday
    month: january, february, march, april, may, june, july, august, september, october, november, december
    num: two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, fifteen, twenty, thirty,
        forty
    digit: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 23, 25, 30, 40, 50, 60, 75, 80, 90, 100, 120
    ord: 1st, 2nd, 3rd, 4th, 5th, 6th, 8th, 9th, 10th, 11th, 12th, 14th, 17th, 19th, 21st, 22nd, 24th, 28th
    unit_time: days, weeks, working days, business days, hours, months
    duration: {num} {unit_time}, a week, a fortnight, ages, days, weeks, over a month, a whole week, more
        than {num} {unit_time}, half a year, an hour, several days, a couple of weeks, years
    past: yesterday, last {weekday}, last week, on {weekday}, last night, this morning, {num} {unit_time}
        ago, the other day, in {month}, on the {ord}, earlier today, an hour ago, at the weekend, last
        month, {weekday} evening, this afternoon, at the end of {month}, back in {month}, on the {ord} of
        {month}
    future: tomorrow, on {weekday}, by {weekday}, next week, this week, before {weekday}, by the {ord},
        tonight, in {month}, before the weekend, on the {ord}, soon, today, by noon, this evening, in time,
        next month, within {num} {unit_time}, before christmas, before easter, early next week, by the end
        of {month}
    clock: {digit} am, {digit} pm, noon, midnight, half past {num}, {num} o'clock, lunchtime, 9am, 6pm,
        14:30
    order_no: {digit}{digit}, {digit}{digit}{digit}, #{digit}{digit}, {digit}0{digit}, no. {digit}{digit}
    price: {digit}.99, {digit}.50, {digit} euros, {digit} pounds, {digit} dollars, {digit}, {digit}.20,
        {digit} quid
    percent: 10%, 15%, 20%, 25%, 30%, 50%, half, a third
    colour: red, blue, green, yellow, black, white, grey, brown, pink, purple, orange, beige, navy,
        turquoise, cream, silver, gold, dark green, light blue, violet, ivory, mustard, olive, copper,
        lilac, dark blue, light grey, charcoal, sand, mint, rose, bronze
    material: wood, oak, pine, walnut, bamboo, metal, steel, stainless steel, iron, cast iron, brass,
        copper, aluminium, tin, glass, ceramic, porcelain, clay, stone, marble, plastic, rubber, leather,
        cotton, linen, wool, silk, velvet, polyester, felt, paper, cardboard, wicker, cork, wax, canvas,
        denim, nylon, nickel
    decor: lamp, vase, candle, mirror, clock, picture frame, lantern, cushion, rug, carpet, curtains,
        blanket, throw, pillow, doormat, basket, wallpaper, poster, print, ornament, tray, coaster, duvet
        cover, bed sheets, towel, bath mat, tablecloth, coat hook, light bulb, lampshade, storage box,
        wreath, quilt, linen set, vases, ceiling lamp, floor lamp, table lamp, bunting, tea light, bowl of
        soap, blinds, hooks
    kitchen: mug, cup, plate, bowl, glasses, teapot, kettle, jug, pan, saucepan, frying pan, pot, jar,
        knife, forks, spoons, cutting board, tin, bottle, flask, toaster, blender, mixer, coffee maker,
        grinder, whisk, sieve, dish, oven gloves, apron, lid, sugar bowl, tea towel, lunch box, cake stand,
        salt mill, ladle, tea set, plates, bread bin, spatula, rolling pin, baking tray, wine glass,
        thermos, pepper mill, milk jug
    furniture: chair, table, stool, shelf, bookshelf, desk, bench, sofa, armchair, wardrobe, drawer,
        cabinet, mattress, bed frame, cupboard, coat stand, side table, cot, bookcase, footstool, chest,
        sideboard, shoe rack, bunk bed, rocking chair, coffee table, stools, mattress topper, garden table
    clothing: jumper, sweater, shirt, coat, jacket, dress, skirt, trousers, jeans, socks, shoes, boots,
        slippers, hat, scarf, gloves, cardigan, belt, bag, backpack, handbag, purse, umbrella, pyjamas,
        earrings, necklace, bracelet, ring, watch, sandals, hoodie, raincoat, blouse, vest, tights, suit,
        tie, trainers, sun hat, swimsuit, cap, mittens, poncho
    toy: puzzle, board game, doll, teddy bear, toy train, wooden blocks, kite, ball, drone, toy car, music
        box, colouring book, card game, rocking horse, pram, dolls house, balloons, jigsaw, scooter,
        tricycle, building set, toy kitchen, puppet, marbles, crayons, dinosaur, rattle, robot
    gadget: torch, radio, speaker, headphones, earphones, charger, cable, phone case, record player,
        keyboard, printer cartridge, batteries, alarm clock, fan, heater, vacuum cleaner, iron, hair dryer,
        camera, tablet, laptop stand, screen, drill, tool kit, night light, power bank, monitor, mouse, lamp
        timer, humidifier, doorbell, thermometer, extension lead, electric toothbrush, shaver, smart plug
    garden_item: plant pot, watering can, garden bench, seeds, bulbs, spade, rake, bird house, hose, garden
        chair, parasol, fern, herb kit, lawn mower, compost bin, planter, orchid, cactus, plant, rose bush,
        trowel
    food: tea, coffee, honey, jam, chocolate, biscuits, olive oil, spices, soap, shampoo, perfume, bath
        salts, hand cream, sauce, cake mix, sweets, nuts, lotion, hamper, mustard, pasta, vinegar,
        marmalade, cookies, ginger tea, syrup, peanut butter, hot sauce, essential oil, face cream, tea
        sampler
    paper_item: notebook, pen, pencil case, diary, calendar, birthday card, envelopes, wrapping paper, ink,
        paint, brushes, stickers, book, sketchbook, stamps, planner, photo album, scissors, glue
    item: {decor}, {kitchen}, {furniture}, {clothing}, {toy}, {gadget}, {garden_item}, {food}, {paper_item}
    an_item: {colour} {item}, new {item}, {size} {item}, {material} {item}, set of {item}, pair of
        {clothing}, {item}, {item}, {item}, {items}, {colour} {items}, {num} {items}, {item}
    part: handle, lid, leg, wheel, strap, zip, button, hinge, base, edge, corner, side, spout, cord, plug,
        switch, motor, screen, cover, seam, buckle, top, bottom, frame, knob, shelf, foot, neck, rim, stand,
        sleeve, spring, cable, drawer, door, pocket, lens, cap, battery, screw, bolt, bracket, panel, pedal,
        stem, heel, sole, tap, tip, grip, clasp, hook, nozzle, blade, wire, socket, charger, chain, wing,
        ear, arm, back, drawer runner, tray, glass, lining, label, fuse, fan, pump, valve, hose, dial,
        speaker, seat, roof, tail, keys, shade, wick, feet, ribs, tyre
    size: small, large, medium, tiny, huge, big, extra large, mini, long, short, wide, narrow, bigger,
        smaller
    size_unit: cm, inches, metres, mm, feet, litres, kg, grams, ml
    room: kitchen, bathroom, bedroom, living room, hall, office, nursery, garden, balcony, attic, garage,
        terrace
    gift: birthday present, christmas gift, wedding present, gift, surprise, anniversary gift, leaving
        present
    occasion: birthday, wedding, party, anniversary, christmas, easter, holiday, christening, housewarming,
        trip
    annoyed: annoyed, upset, disappointed, frustrated, fed up, angry, unhappy, worried, confused, cross,
        furious
    pleased: happy, pleased, delighted, grateful, thrilled, glad, impressed, satisfied
    bad: terrible, awful, poor, dreadful, horrible, bad, shocking, rubbish, hopeless, ridiculous, appalling
    nice: lovely, nice, great, beautiful, wonderful, pretty, gorgeous, perfect, excellent, charming,
        fantastic
    please: please, pls, kindly, please could you, could you please, can you, can you please, could you,
        would you, would you mind, i would like you to, i need you to, can someone, could somebody, i want
        you to
    want: i want to, i would like to, i'd like to, i need to, i wish to, i have to, id like to, wanna, we
        want to, we would like to, i'd love to, i was hoping to, i am trying to, im trying to, i'd prefer to
    howto: how do i, how can i, is it possible to, can i, am i able to, is there a way to, may i, could i,
        where do i, can we, how do we, what do i do to, is there any way to, do you let me, how does one,
        any way to, is it too late to, would it be possible to, please tell me how to, what is the best way
        to
    greet: hello, hi, hey, good morning, good afternoon, dear team, hi there, hello there, good evening,
        dear shop, hi team, hey guys, dear sir or madam, to whom it may concern
    bye: thanks, thank you, many thanks, thx, cheers, kind regards, best wishes, regards, thanks in advance,
        ta, thank you very much, yours {name}, thanks {name}, best {name}, greetings from {name}
    filler: please get back to me [{future}|as soon as you can|quickly|asap].|i look forward to hearing from
        you.|can someone help?|please help.|please advise.|what should i do?|i am [really|very|quite|so]
        {annoyed}.|this is {bad} service.|i have bought here for {duration}.|nobody [answers|replies|picks
        up].|i have written to you {num} times already.|let me know.|can you sort it out?|what is going
        on?|sorry for the trouble.|i hope you can help.|any help is welcome.|i don't understand.|not
        impressed.|your chat bot was no help at all.|this is urgent.|no rush.|just asking.|i would be
        grateful.|why is that?|can you look into it?|please check.|i tried calling but the line is
        busy.|ok?|it makes no sense.|seriously?|it's been {duration}.|i'm waiting for an answer.|could you
        explain?|please reply to this email.|thats all.|i look forward to your reply.|it would mean a lot to
        me.|i've been patient for {duration}.|i spoke to {name} {past}.|one of your colleagues said [someone
        would call|it was fine|to write here].|your phone line [is dead|just rings|is always busy].|i
        [wrote|called|emailed] {past} and heard nothing.|nobody can tell me anything.|what happens next?|my
        {person} is [waiting|crying|asking] too.|i don't have much time.|i hope that's all right.|sorry to
        bother you.|i live on the {ord} floor.|i work during the day.|my phone is quite old.|i was [ill|in
        hospital|abroad|asleep|at work] {past}.|it's my own fault.|it isn't my fault.|i'm new here.|i
        usually like your shop.|this has never happened before.|it was my first order.|can a human read
        this?|just let me know.|otherwise i'm {pleased}.|how hard can it be?|i'd appreciate a quick
        answer.|i thought it was [simple|obvious|allowed].|this is getting silly.|i really need to
        know.|could somebody take care of it?|ideas?|i'll call my lawyer.|please don't send a standard
        answer.|if not, tell me why.|either way, thanks.|tell me what you need from me.
    goods: order, parcel, package, delivery, shipment, box, stuff, things, item, purchase, {item}, goods,
        order {order_no}, {num} {items}, {items}, the {items}, letter, packet, big box, second parcel, gift,
        my {person}'s {gift}, pre-order
    ship_v: shipped, been sent, been dispatched, been posted, gone out, left, been shipped, been mailed,
        been packed, been handed over, been picked, been processed, moved
    to_ship: ship, be sent, be dispatched, go out, leave, be posted, be shipped, be packed, be mailed, be
        ready
    arrive: arrive, come, get here, turn up, show up, be delivered, reach me, reach us, land, be here, get
        to me
    arrived: arrived, come, turned up, shown up, been delivered, reached me, got here, appeared, landed,
        been received
    carrier: courier, driver, postman, carrier, post office, delivery company, delivery man, van, postal
        service, delivery firm, parcel service, courier company, delivery guy, postwoman, delivery driver,
        mailman, shipping company, freight company, bike courier, drivers
    depot: warehouse, depot, sorting centre, hub, distribution centre, store, customs, terminal, parcel
        centre, stockroom
    track_state: in transit, on its way, processing, out for delivery, label created, pending dispatch, not
        found, awaiting collection, delivered, delayed, at the {depot}, on hold, being prepared, order
        received, no information, unknown, returned to sender, preparing, with the courier, accepted, held
        at customs, arriving {future}, being packed, with customs, at the local depot, unable to deliver,
        waiting for pickup, being prepared for dispatch
    place_left: doorstep, porch, letterbox, mailbox, front door, reception, back garden, gate, hallway, mat,
        bin shed
    refund_n: refund, money back, reimbursement, full refund, partial refund, credit, cash back, repayment,
        money
    give_back: refund me, give me my money back, reimburse me, pay me back, credit my card, return my money,
        issue a refund, refund the money, refund my {goods}, process my refund, repay me, refund the full
        amount
    send_back: return, send back, post back, bring back, give back, hand back, ship back, take back
    sent_back: returned, sent back, posted back, brought back, shipped back, dropped off, mailed back,
        handed back
    dislike: too small, too big, too large, too tight, too heavy, too bright, too loud, not what i wanted,
        not as described, not like the [picture|photo], the wrong {colour}, not my taste, itchy,
        disappointing, poor quality, cheap looking, uncomfortable, ugly, a bad fit, not suitable, different
        from the [photo|website], too short, too long, too thin, too wide, too dark, too stiff, far too
        sweet, nothing like the [photo|description], smaller than i thought, not my style, ill-fitting,
        itchy and stiff, not worth the money, scratchy, boring, low quality
    unused: unopened, unused, unworn, still sealed, still in its box, still wrapped, never used, as new,
        untouched
    broken: broken, cracked, smashed, shattered, chipped, scratched, dented, bent, torn, ripped, split,
        snapped, burst, damaged, crushed, squashed, stained, dirty, mouldy, rusty, faulty, defective,
        ruined, melted, warped, wobbly, loose, crooked, leaking, soaked, wet, dead, rotten, frayed, peeling,
        in pieces, in bits, unusable, in half, faded, shredded, mangled, flattened, deformed, discoloured,
        scuffed, sticky, leaky, damp, burnt, worn out, unglued, blunt
    broke: broke, cracked, snapped, fell off, came off, split, tore, burst, came loose, shattered, bent,
        melted, fell apart, came apart, jammed, got stuck, stopped working, ripped, leaked, chipped,
        collapsed, exploded
    flaw: crack, chip, scratch, dent, hole, tear, stain, mark, scuff, rip, split, bubble, rust spot, burn,
        splinter, missing screw, loose thread, leak, fault, defect, broken part, gap, nick, smear, patch of
        mould, puncture, bulge, loose wire, short circuit, big stain, broken seam, water mark, grease stain,
        fold
    dead_verb: work, turn on, switch on, start, charge, light up, close, open, shut, play, spin, heat up,
        connect, move, stand straight, stay up, fit together, make a sound, hold water, lock, power up
    noise: rattling, buzzing, grinding, squeaking, humming, clicking, burning, crackling, hissing, smoking
    addr: address, delivery address, shipping address, postal address, home address, street address,
        delivery details, shipping details, address details, adress, contact address
    addr_part: postcode, post code, zip code, street, street name, house number, flat number, apartment
        number, city, town, country, county, door number, floor, building name, recipient, surname on the
        label, unit number, region, county name, flat letter, last digit, first line, second line, street
        number, estate, block, staircase, village
    change_v: change, update, edit, amend, correct, fix, alter, modify, switch, adjust, swap, replace, put
        right
    redirect_v: redirect, reroute, forward, divert, deliver, send, ship, take, bring, route, post, pass on
    dest: my office, my work, my new flat, my new house, my {person}'s house, my {person}'s place, a
        neighbour, another address, a different address, a pick-up point, a parcel shop, a locker, a
        collection point, my workplace, the house next door, our new home, my hotel, the school, my {person}
        in {town}, the shop on the corner, somewhere else, the reception desk, {street}, a different city,
        the other address, our holiday cottage, my student hall, the {place_left}, number {digit}, abroad,
        another country, a friend, my mother, my {person}, a relative, our summer house, my boss, the
        building next door, a friend's house, my {person} who is always home, the town hall, our new shop,
        the ward, my dorm, the pub, the garage, the neighbours
    street: {digit} {street_name} {street_kind}, flat {digit} {digit} {street_name} {street_kind},
        {street_name} {street_kind} {digit}, {street_name} {street_kind}
    street_name: maple, oak, church, mill, station, park, king, queen, river, garden, rose, bridge, school,
        meadow, chapel, harbour, orchard, castle, forest, lake, market, victoria, willow, spring, abbey,
        hill, elm, birch, cherry, cedar, hazel, holly, ivy, north, south, high, tower, quarry, canal, manor,
        fox, rowan, quay, industrial, business, valley, beech, laurel, baker, cross, long, new, union,
        bishop, duke
    street_kind: street, road, lane, avenue, close, way, square, drive, court, row, st, rd, terrace, grove,
        crescent, walk, gardens, place, park, yard, hall, green, house, rise, view, estate
    town: oxford, york, bristol, dublin, cork, bath, leeds, london, paris, berlin, oslo, norway, france,
        spain, scotland, wales, ireland, germany, cardiff, glasgow, italy, poland, kent, hull, leicester,
        manchester, boston, vienna, madrid, rome, finland, sweden, denmark, iceland, portugal, greece,
        austria, holland, belgium, japan, canada, america, australia, newcastle, norwich, brighton, exeter,
        belfast
    cancel_v: cancel, stop, call off, withdraw, scrap, halt, void, annul, revoke, undo, drop, reverse, pull,
        remove, get rid of, take back, abort, end, get out of, cancle, delete
    cancel_n: order, whole order, purchase, order {order_no}, last order, pre-order, second order, {item}
        order, order from {past}, order i made {past}, booking, duplicate order, order for the {item}
    sub: subscription, membership, monthly box, plan, trial, monthly plan, coffee subscription, flower
        subscription, weekly delivery, standing order, repeat order
    card: card, credit card, debit card, bank card, gift card, card payment, prepaid card, bank account
    declined: declined, rejected, refused, blocked, not accepted, failing, denied, turned down, not going
        through, failed, bounced, not recognised, unsupported, invalid, cancelled by the bank, not
        authorised, greyed out, stuck
    code: voucher, voucher code, coupon, promo code, discount code, gift card, gift voucher, student
        discount, offer code, store credit, loyalty points, coupon code, promotion, gift code, referral
        bonus, welcome discount, newsletter code, free shipping code, birthday voucher, staff discount
    charged: charged, billed, debited, invoiced, overcharged, double charged, made to pay
    bill: invoice, bill, receipt, statement, total, bank statement, vat invoice, tax invoice, payment
        receipt, credit note, payment reminder, order total, payment confirmation, bank app, card statement,
        pro forma invoice, monthly bill, tax receipt, order confirmation
    fee: delivery fee, tax, sales tax, vat, postage, shipping cost, handling fee, service fee, bank fee,
        customs fee, exchange rate, surcharge, currency, amount, deposit, price, charge, express postage,
        import duty, delivery charge, card fee, interest, late fee, minimum order, total, subtotal, gift
        wrap charge
    checkout: checkout, payment page, basket, cart, till, last step, payment screen, pay button, website,
        app, terminal
    pay_way: bank transfer, credit card, debit card, cash, cheque, instalments, invoice, gift card, direct
        debit, pay later, two cards, cash on delivery, monthly payments, phone, store credit, wallet app,
        standing order, my phone, another card, my husband's card, a company card, wire transfer, gift
        vouchers, coins
    login_v: log in, sign in, login, log on, get into my account, access my account, open my account, enter
        my account, get in, see my profile, use my account, get into my profile, access my profile, sign
        into the app
    password: password, passcode, pin, login details, username, user name, credentials, pasword, login, old
        password, new password, secret question, memorable word, customer number, nickname, screen name,
        master password
    account: account, profile, user account, customer account, login, online account, user profile, shop
        account
    locked: locked, blocked, suspended, disabled, deactivated, frozen, closed, hacked, gone, deleted,
        compromised, restricted, banned, inactive, empty
    code_n: verification code, security code, login code, reset link, activation link, confirmation email,
        reset email, two-factor code, one time code, password email, verification email, six digit code,
        text with the code, sms, text message, magic link, sign-in link, confirmation link, security email,
        temporary password, authenticator code, email with the link, registration email, unlock email
    login_state: wrong password, user not found, invalid login, account locked, incorrect code, too many
        attempts, email already in use, session expired, access denied, unknown user, please verify, not
        recognised, email not registered, invalid credentials, link expired, try again later, you are not a
        robot, your session timed out, password too weak, wrong code, we don't know this email, something
        went wrong, unauthorised, locked for {digit} hours, try another method, suspicious activity, name
        already taken
    quality: waterproof, dishwasher safe, oven proof, washable, organic, vegan, handmade, heavy, soft,
        scented, quiet, bright, adjustable, foldable, recyclable, fireproof, stackable, sturdy, safe for
        babies, suitable for children, gluten free, decaf, fair trade, rechargeable, wireless, portable,
        non-slip, breathable, reversible, food safe, scratch resistant, lead free, biodegradable,
        comfortable, warm, easy to clean, thick, stretchy, lockable, removable, edible, unisex, energy
        efficient, real leather, machine washable, toxic, shatterproof, heat resistant, hypoallergenic,
        microwave safe, colourfast, odourless, bpa free, cruelty free, childproof, soundproof, dimmable,
        insulated, windproof, ready to hang, ready made, hand painted, child friendly, pet friendly, solid,
        noisy, flat packed, natural, sugar free, sustainable, tested, certified, refillable, magnetic,
        cordless, double sided, padded
    use_place: outdoors, in the garden, in the oven, in the microwave, in the freezer, in the dishwasher, in
        the bath, in the rain, in winter, on a balcony, in a small {room}, on a gas hob, on wood, on metal,
        for camping, for hot drinks, for soup, with sensitive skin, at home, in the {room}, in the sun, on
        the wall, for baking, with a tumble dryer, on the floor, for school, by left handed people, for
        curly hair, for dry skin, in the fridge, under the shower, on carpet, on a wooden floor, by the
        fire, on a bike, in the car, in a tent, at sea, on glass, on walls, near a radiator, with hot water,
        with bleach, overnight, every day, at the office, on an induction hob
    measure: height, width, length, weight, depth, diameter, size, measurements, dimensions, capacity,
        volume, thickness
    spec: made of, filled with, lined with, suitable for, good for, compatible with, meant for, designed
        for, like
    stock: in stock, available, sold out, back in stock, on sale, out of stock, still for sale, discontinued
    story: i was in a hurry, it was late at night, my phone is old, the print is tiny, i clicked too fast,
        my {person} was talking to me, i only noticed it {past}, i had three windows open, i was tired, the
        {pet} walked over the keyboard, the page was slow, i did not have my glasses on, i was on the train,
        my screen is broken, it looked right, i trusted the website
"""

TOPICS_TEXT = {
    "delivery": """
        where is my {goods} [now|exactly|at the moment|currently|at|]?
        [has|did] [my|our] {goods} {ship_v} [yet|already|from the {depot}|today|at all|]?
        when [will|does|is] [my|our|the] {goods} {to_ship}?
        when [will|can i expect|do you think|should] [my|our|the] {goods} [to|] {arrive}?
        my {goods} has not {arrived} [yet|so far|and it was due {past}|although you promised it {future}].
        my {goods} hasn't {arrived}[ and i ordered it {past}| yet| and it is {weekday} already].
        [i|we] ordered [a|the|some|my] {an_item} {past} and [it is still not here|nothing has
            {arrived}|still waiting].
        [still|i am still|we are still|been|i have been] waiting for [my|the|our] {goods} [for
            {duration}|since {past}|].
        the tracking [page|link|number|site|info|app] [still says|says|shows|only says|has said|is stuck on]
            {track_state}.
        the status [has been|is still|changed to|went from {track_state} to] {track_state} [for
            {duration}|since {past}|].
        tracking [hasn't|has not|did not] [updated|changed|moved] [for {duration}|since {past}].
        the {carrier} [says|claims|told me|insists] it was [delivered|left on the {place_left}|signed for]
            but [it is not there|there is nothing on the {place_left}|nobody has seen it|my {person} was
            home all day|i never got it].
        [it|my {goods}] [is|has been|seems] [late|delayed|overdue|lost|missing|held up|stuck] [at the
            {depot}|for {duration}|in {town}|in customs|somewhere|again|].
        [any|is there any] [news|update|updates|progress|word|information] [on|about|regarding] my {goods}?
        [what is|whats|may i know|please tell me] the [status|whereabouts|progress|location|eta] of my
            {goods}?
        {please} [track|trace|look up|check on|locate|find|chase] my {goods}?
        can you [give|send] me [a|the] [tracking number|delivery date|delivery time|estimated
            arrival|tracking link|date]?
        how [long|many days|much longer] [will|does|until] [it|delivery|shipping|the {goods}]
            [take|{arrive}]?
        [will|is] [it|my {goods}] [going to|be able to|] {arrive} {future}?
        i need [it|the {goods}|them] {future} [because|as|since] it is [a|my {person}'s] {occasion}.
        i paid for [express|next-day|fast|priority|first class] [delivery|shipping|postage] and it's still
            {track_state}.
        the {carrier} [left a card|left a note|came while i was out|never rang|did not show up|drove past]
            {past}.
        it was [supposed|meant|due|scheduled|promised] to {arrive} {past}.
        [i got|i received|we received] [no|only one|no dispatch|no shipping]
            [email|confirmation|message|notice|mail].
        only [half|part|some|one box] of my order has {arrived}, where [is|are] the [rest|other
            half|remaining things]?
        did my order [go through|get lost|get forgotten|leave the {depot}|ever leave]?
        [is|has] the {carrier} [running late|coming|on the way|lost it|bringing it]
            [today|tomorrow|{future}|]?
        [what time|at what time|between what hours|around when] will the {carrier} [come|be
            here|ring|deliver] {future}?
        the parcel was [last seen|last scanned|last tracked|scanned] [at|in] the {depot} {past}.
        the website [said|promised|told me] delivery in {num} {unit_time} and {duration} have [passed|gone
            by].
        which {carrier} [is delivering|has|is bringing|do you use for] my {goods}?
        is there a [delay|backlog|problem|strike|hold-up] with [deliveries|the post|shipping|the {carrier}]?
        my [pre-order|backorder|preordered {item}] [was due|should have shipped|was promised] {past}, has it
            {ship_v}?
        i [can't|cannot] [track|find|follow|see] my {goods} [online|anywhere|on the map|any more].
        the estimated [delivery|arrival] [date|time] [keeps changing|has passed|moved to {weekday}|was
            {past}].
        somebody [stole|took|grabbed] it from the {place_left}, or the {carrier} [lost|misplaced|forgot] it.
        [nothing|no parcel|no sign of it] [here|today|yet|so far], and i [stayed|waited|sat] at home [all
            day|since {clock}].
        waiting on {an_item}, [ordered|bought|paid] {past}, [no sign of it|where is it|when does it come].
        [is|was] my {goods} [on its way|shipped|en route|still coming|moving|close|in the post|out yet]?
        the {carrier} should deliver [between {clock} and {clock}|by {clock}|before {clock}] but has not
            [come|rung].
        i hope the {goods} gets here [before|in time for] the {occasion}.
        the {goods} you [promised|confirmed] for {weekday} [never came|did not come|isn't here|is nowhere to
            be seen].
        [everyone|my {person}|my neighbour] got [theirs|a parcel] [already|days ago], [mine|ours] is
            [nowhere|still missing|not here].
        i've been [refreshing|watching|checking] the tracking [all day|for {duration}] and it still says
            {track_state}.
        has anything [happened|moved|changed] with my {goods} [since {past}|]?
        could you [tell me|let me know|find out] [where|when|whether] my {goods} [is|might be|has
            {arrived}|will {arrive}]?
        the {carrier} [must have|may have|has] [lost|forgotten|misplaced|dropped off|delivered] [my
            {goods}|it] [somewhere else|at the wrong house|].
        is it [normal|usual] that [shipping|delivery|the post] takes [so long|{duration}|{num} {unit_time}]?
        [how|where] can i [see|follow|check|find out] [the progress of|where|when] my {goods} [is|]?
        i [have to stay|am|will be] [home|in|at home] to [receive|sign for|let in|take in] the {goods},
            [what time|which day|when] is it coming?
        [did you|have you] [send|sent|ship|shipped|post|posted|pack|packed] [my|the|our] {items}
            [yet|already|out|off]?
        [my|the] {items} [were|was] [due|expected|promised|supposed to come] {past}, [what happened|where
            are they|any idea|any update].
        my confirmation [says|said|gave] {weekday} and [today is|now it is|it's already] {weekday}.
        order {order_no} [placed|from|made] {past}, [status|update|where is it|shipped yet|any sign of it]?
        the [link|tracking link|page] [in your email|you sent|] to [follow|track|trace] my {goods} [is
            dead|does not open|is blank|shows nothing].
        will it [make it|be here|get here|come|reach us] [before|by|for|in time for] [the
            {occasion}|{weekday}|the {ord}|we leave|my {person}'s {occasion}]?
        are my {items} [still|] [coming|on the way|in the {depot}|being packed|in the queue] or [did you
            forget|have they got lost|not]?
        the {carrier} [took|brought|carried] it to the {depot}, [when will they try again|how do i collect
            it|where do i pick it up].
        the card says [we missed you|call again|collect at the {depot}] but [where|when|how] [do i pick
            up|can i collect] the {goods}?
        [signed|it was signed|someone signed] for it [by|with] [another name|a stranger|nobody i know], i
            [never|did not] [got|see|get] [it|a thing].
        [two|three|{num}] [parcels|boxes] were [promised|sent|due], only one [came|{arrived}|made it].
    """,
    "refund": """
        [i want|i'd like|i would like|i am asking for|i demand|i expect|please give me] [a|my] {refund_n}.
        {please} {give_back}?
        {give_back} [please|now|today|for the {item}|asap|].
        {howto} [get|claim|ask for|request|apply for|have] a {refund_n} [for the {item}|on my order|]?
        [when|how soon|on which day] [will|do|can] i [get|receive|see] my {refund_n}?
        where is [my|the] [refund|money|refund you promised|reimbursement]?
        {howto} {send_back} [a|the|my|this] {an_item}?
        {want} {send_back} [the|this|my|these] {an_item}, it is {dislike}.
        [the|this] {an_item} is {dislike}[,| and| so] i want to {send_back} it [for a refund|and get my
            money back|].
        i {sent_back} the {item} {past} and [have not got|still have not seen|have had no|am still waiting
            for] my {refund_n}.
        [it's been|it has been] {duration} since i {sent_back} [it|the {item}] and no [refund|money|credit]
            [yet|so far].
        my refund [is still|has been|shows as] [pending|late|missing|not
            processed|incomplete|delayed|outstanding].
        [you|your shop|your colleague] [promised|told|assured] me [a|the] {refund_n} [within {num}
            {unit_time}|{past}|].
        you [only|just] refunded [half|part|{percent}|{price}|one of them|the {item}], [i am owed|where is]
            the rest.
        what is your [return|returns|refund] policy [on {item}|for sale items|for gifts|]?
        do you [accept|take] returns [without a receipt|of opened items|of sale items|after {duration}|on
            {item}]?
        how [long|many days] do i have to {send_back} [something|an item|a {item}|it]?
        {please} send me a [return label|returns form|return slip|prepaid label|return address|returns
            number].
        i [changed my mind|don't like it|don't need it any more|am not happy with it], can i {send_back} it?
        the {item} is {unused}, {howto} {send_back} it?
        who [pays|covers|pays for] the return [postage|shipping|costs]?
        [can|could|may] i [exchange|swap] it or [get|have] {refund_n} [instead|rather than a replacement|]?
        i would [rather|prefer to] have [my money|a refund|cash] than [a voucher|store credit|a
            replacement|an exchange].
        i was given [a|the|this] {item} as a {gift} and want to {send_back} it [without|but have lost] the
            receipt.
        the [return|returned {item}|parcel i sent back] [was received|reached you|arrived at your {depot}]
            {past}.
        my bank [says|tells me] no [refund|money|credit|repayment] has [come|arrived|been sent|been
            credited].
        [did you|have you] [receive|received|got|accepted|approved|processed|checked] my return?
        the {item} did not fit [me|my {person}|], [refund please|i am returning it|can i return it].
        [the colour|the quality|the size|the fabric|the smell|the taste] is [awful|not right|{dislike}], i
            am returning it.
        i saw it [{percent} cheaper|for {price} less] {past}, [will you|can you] refund the difference?
        {please} [collect|pick up] the {furniture} and refund [me|the price|us].
        i [refused|rejected|did not accept|turned away] the parcel, so i [am owed|should get|expect] my
            {refund_n}.
        under your [guarantee|money back guarantee|promise|terms] i am [entitled to|owed|due] a {refund_n}.
        {want} keep one {item} and {send_back} the other [for a refund|].
        i bought [two|the wrong one|it twice|one too many] and {want} {send_back} one.
        i have the [receipt|return form|proof of postage|return number] [here|if you need it|] for the
            refund.
        do i get [the postage|the delivery fee|everything|the full price|every penny] back when i
            {send_back} it?
        [i paid {price} and|i] want every [penny|cent] [back|of it back|returned|refunded].
        [regret buying|not happy with|hate|dont like|no use for] the {item}, want [to return|a refund|my
            money back].
        i [posted|dropped off|handed in] the return at the [post office|shop|parcel shop|store] {past}.
        is there a [restocking fee|charge|deadline|time limit] for returns?
        i am [sending|returning|posting] the {items} [back|] [today|{future}|in the same box], [please
            refund|refund them|how do i fill in the form].
        [my|the] {items} are {dislike}, [they are going back|i want to send them back|please take them
            back|can i return them].
        [no|still no|not a single] [refund|money|penny|credit] [{duration} after my return|after
            {duration}|on my account|from you] [yet|].
        [can i|could we|may i] [have|get|claim] something back for [the missing {items}|the {items} i never
            got|the delay|my {item}]?
        you [owe|still owe] me [{price}|a refund|money|for the {items}] [for {duration}|since {past}|].
        the amount you [refunded|gave back|returned|paid back] is [wrong|too small|not right|{price}
            short|less than i paid].
        how does [a return|returning|the refund|sending it back] work [if i paid by {pay_way}|with you|for a
            {gift}|for {items}]?
        i kept the [receipt|box|packaging|tags], [so can i return it|can i send it back|and want my money
            back].
        my [wife|husband|{person}] [already has|bought|got] the same {item}, [so this one can go back|can we
            return ours].
        [is it|am i] too late to {send_back} [it|the {item}|the {items}]? [i bought it|i got it|it came]
            {past}.
        [do|will] you [refund|reimburse|pay back|cover] [the postage|return shipping|the delivery fee|the
            customs fee|my costs] [too|as well|]?
        i'd [like|want] to be [reimbursed|refunded|paid back|compensated] [for the {item}|in full|the full
            price|for {price}|].
        your [guarantee|promise|website|advert] says [free returns|money back|{digit} day returns], [so i
            want my refund|how do i use it].
        [the return window|how long|until when|the {digit} days]: does it [start|begin|count] from the
            [order|delivery|purchase] date?
        i [would rather|prefer to|want to] [send it back|return it|give it back] than [keep|live with] a
            {item} that is {dislike}.
        the [purchase price|whole amount|full sum|money] should be [returned|paid|credited|transferred] to
            my {card}.
        does the [price|money|credit] come back [automatically|by itself|as a voucher|to the same card|in
            cash]?
        [i don't|we do not] [like|want to keep|love|need] the {items}, [please take them back|how can we get
            our money back|return please].
    """,
    "damage": """
        [my|the|our] {an_item} [arrived|came|was delivered|turned up|was|is] {broken}.
        [my|the|our] {an_item} [arrived|came|was] {broken} and {broken}.
        the {part} [of|on] [my|the] {item} [is|was|arrived|came] {broken}.
        the {part} {broke} [after {duration}|the first time i used it|straight away|when i
            [touched|opened|lifted] it|].
        there is a [big|huge|small|nasty|deep|long|tiny|] {flaw} [in|on|near|under|along] the {part}.
        it has a {flaw} [across|in|on|all over|down] the [{part}|front|back|middle] [and a {flaw}|].
        the {item} [does not|doesn't|won't|will not|wont|doesnt|refuses to] {dead_verb} [at all|any
            more|properly|].
        it stopped [working|charging|spinning|playing|heating] after [{duration}|one use|{num} minutes].
        [when i|as soon as i|i] [opened|unpacked|unwrapped] the [box|parcel|carton|package] [and|] the
            {item} was {broken}.
        [one|two|three|half|all|{num}|some|most] of the {item} [were|was|are] {broken} [when they arrived|on
            arrival|].
        the [box|packaging|parcel|carton] was {broken} and the {item} inside [too|is {broken}|did not
            survive|is ruined].
        it [makes|is making] a [strange|loud|awful|funny] {noise} [noise|sound|smell].
        [there is|i noticed|we found] a smell of [burning|smoke|mould|damp|petrol|glue] [coming from|on] the
            {item}.
        [a|one|the] {part} is missing [from the box|so i can't build it|and the {part} is {broken}|].
        the {item} [leaked|spilled|dripped|melted|rotted|burst] [everywhere|all over the box|over
            everything|on the {item}].
        [can i|could i|may i] [get|have] a [replacement|new one|new {part}|spare {part}] [for it|for the
            {item}|please]?
        {please} [replace|repair|exchange|swap] the [broken|faulty|damaged|cracked|defective] {item}.
        {please} send [me|us] [another|a new] {item} [without a {flaw}|that works|in one piece|].
        i have [attached|added|taken|enclosed] [a photo|photos|pictures|a picture|a video] of the
            [{flaw}|damage|{part}].
        it was [badly|poorly|not properly|carelessly] [packed|wrapped|packaged], [no bubble wrap|no padding]
            [at all|].
        the {carrier} [dropped|threw|crushed|tossed|kicked|stood on] the [box|parcel] and
            [broke|smashed|bent] the {item}.
        the {item} is [faulty|defective|broken|useless|a wreck|in {num} pieces|in a terrible state|in bad
            condition].
        the {material} [has|is] [cracked|split|rusted|bent|peeling off|coming off|stained|chipped|{broken}].
        the {colour} [paint|colour|dye|varnish] is [coming off|rubbing
            off|peeling|flaking|scratched|smeared].
        the [seam|stitching|lining|zip|hem|sleeve|fabric|cloth] [has come|is coming|came]
            [undone|apart|loose|off].
        [brand new|only {duration} old|used it once|had it {duration}] and the {part} {broke}.
        my {person} [cut|hurt|burned|scratched] [a finger|a hand|himself|herself] on the [broken|cracked]
            {item}.
        [unfortunately|sadly|i am sorry to say] the {item} [got|was] [damaged|broken|smashed] [in transit|in
            the post|on the way].
        [was it|is it|looks] [used before|second hand|already opened|worn]? there [are|is a]
            [stains|{flaw}|scratches] on it.
        the {part} is {broken}, [so it won't {dead_verb}|and sharp|so it is useless|like it was made badly].
        [everything|the rest] is fine [except|apart from] the {part}, which is {broken}.
        it [arrived|came] in [pieces|bits|a thousand pieces|a puddle|a wet box|crumbs|shards|dust].
        [sparks|smoke|water|oil|steam] [came|comes|runs] out of the {item} [when i switch it on|when i fill
            it|].
        the {item} is [uneven|wobbly|crooked|too loose|not level], one {part} is [shorter|bent|thinner] than
            the other.
        is this a [manufacturing|production|known] [fault|defect|error]? the {part} [is {broken}|{broke}].
        the {food} [has gone off|was open|is mouldy|smells bad|was not sealed|had leaked|is out of date].
        moths, [holes|dust|dirt|insects|hairs] in [my|the|a] new {clothing}!
        the {part} [will not|won't|doesn't] {dead_verb} because the {part} is {broken}.
        the [wrong|bent|broken] {part} was in the box and [a|one] {part} was [missing|{broken}].
        what a [mess|shame|pity], [glass|crumbs|oil|shards|pieces|soil] everywhere.
        [my|the|our] {items} [arrived|came|were|are|turned up] {broken}.
        [i|we] [found|see|noticed|discovered] a {flaw} [in|on|under|inside] the {part} [when we unpacked
            it|{past}|of the {item}|].
        the {item} {broke} [after {duration}|on the first day|in my hands|while i was using it|and now it is
            useless].
        [two|{num}|one|half|all] of the {items} [is|are|were|came|arrived] {broken}.
        there are [crumbs|shards|splinters|holes|cracks|stains|dents|scratches|bits of glass]
            [everywhere|all over the {item}|in the box|on the {part}].
        the {item} [broke|went wrong|failed|died|gave up|stopped] [after one use|within {num} {unit_time}|at
            once|on day one], [faulty|what now|not good].
        the {items} [fell apart|came undone|lost a {part}|lost their colour|started to leak|started to rust]
            [after one wash|after {duration}|].
        the {part} [was|is] [hanging off|falling off|stuck|jammed|upside down|not attached|on the
            floor|glued badly].
        [everything in the parcel|the whole order|the inside of the box|the {items}] [was|is]
            [wet|soaked|covered in {food}|sticky|dusty|smashed].
        [had|owned|used] [it|the {item}] for {duration} and [now|already] the {part} [is
            {broken}|{broke}|won't {dead_verb}].
        [it|the {item}] [leaks|drips|rattles|wobbles|squeaks|smokes|overheats|flickers|sparks] [from the
            {part}|when i use it|all the time|badly].
        [do i|should i] [send|bring] [a photo|pictures|the pieces|the {broken} {part}] [so you can replace
            it|for a replacement|]?
        my {person} was so [sad|upset|disappointed], the {item} was {broken} when [she|he|they]
            [opened|unwrapped] it.
        [poor|bad|terrible|cheap] [workmanship|finish|packing|build], the {part} [{broke}|is {broken}] and
            the {part} is {broken}.
        the {item} is [dead|lifeless|not responding|silent|black], i [tried|changed|checked] the
            [batteries|plug|fuse|bulb|socket].
        [instructions|parts|screws|two screws|the {part}|one leg|a bag of bolts] [missing|were missing|not
            in the box], can't [build|finish|assemble|use] it.
    """,
    "address": """
        {want} {change_v} [my|the|our] {addr} [on order {order_no}|for my order|for all orders|before it
            ships|].
        {please} {change_v} [my|the|our] {addr} [to {street}|on my order|in your system|on file|]?
        {howto} {change_v} [my|the|our] {addr} [on the website|in my profile|for order {order_no}|]?
        [i|we] [moved|have moved|just moved|am moving|are moving|relocated] [to {town}|to
            {street}|house|flat|home|] [{past}|].
        my new address is {street} [in {town}|, {town}|, please use that|].
        new {addr}: {street}, {town}.
        i [put|gave|typed|entered|wrote|used|chose|picked] the wrong {addr_part} [by mistake|on my order|at
            checkout|].
        the {addr_part} [is|was] [wrong|missing|misspelled|incorrect|out of date|old|incomplete|cut off], it
            should [be|say] [{digit}|{street}|{street_name}|{town}].
        {please} {redirect_v} [my|the|this] {goods} to {dest} [instead|please|rather than to my home|]?
        {want} have [my {goods}|it|them] [delivered|sent|shipped|brought|forwarded] to {dest} [instead|].
        {howto} {redirect_v} [my|the] {goods} to {dest}?
        {please} [deliver|send|ship] it to {dest}, not [to|] {dest}.
        i [forgot|left out|did not put|missed] the {addr_part} [in|on|from] my {addr}, it is {digit}.
        [i will be|we will be|i am|we are] [away|on holiday|out|at work|abroad|travelling] [{future}|all
            week|until {weekday}], {please} {redirect_v} it to {dest}.
        the order is going to my old [address|place|flat|house|office], [can you|please] {change_v}
            [that|it].
        it still has my [old|previous|former|last|parents'] {addr} [on it|saved|on the label|in the
            system|on my account].
        the site [used|picked|filled in|saved|kept|chose] [my old|the wrong|an outdated|last year's] {addr}.
        {please} [delete|erase] [my old|the old|that] {addr} [from my account|from my profile|so it is not
            used].
        nobody is [home|in|there] [during the day|{future}|at that address], can the {carrier} [take|bring]
            it to {dest}?
        {please} add [the|a|my] {addr_part} [to|on] [the|my] [{addr}|label|order].
        the recipient [is|should be] my {person}, at {street} in {town}.
        [it is|its] a {gift}, so it [must|should|needs to] go to my {person} at {street}.
        change of address [for order {order_no}|please|from {street} to {street}|].
        should be {street}, not {street}.
        the label says {town} but [i live|we live|it should be] in {town}.
        i [live|work|stay|am staying] [at|in] {dest} now, [can|could] the {goods} go there?
        {howto} [add|save|set|choose] a [new|second|different|default] {addr}?
        can it [still|] [go|be sent|be delivered|be redirected|be rerouted] to {dest} [before it leaves|if
            not too late|]?
        leave it [with|at] {dest} [please|when i am out|if nobody answers|instead].
        the [form|website|checkout|page] would not [accept|take|save|let me enter] my {addr_part}.
        my [company|office|business] moved, the [invoice|billing|delivery] address is now {street}.
        same [street|town|building], different {addr_part}: {digit} not {digit}.
        there are two [houses|flats|doors|streets] with that [name|number], mine is [{digit}|the one in
            {town}|at the back].
        [oops|sorry|my mistake], wrong [address|street|town|postcode|place|house], i meant {street}.
        use the [side|back|front|main|other] [entrance|door|gate], [gate code {digit}|number {digit}|next to
            {street}].
        ship [it|to|everything|this one] to {dest}.
        i no longer live [there|at {street}|in {town}|at that address].
        all [future|my|our] [orders|parcels|deliveries] should [go|be sent] to {dest} from now on.
        [switch|change|swap] the [destination|drop-off|delivery place|pick-up point] to {dest}.
        my [street|surname|name and street|town|postcode] has changed since [the wedding|we moved|i
            moved|last year].
        [i am|i'm|we're|we are] [not|no longer|never] [at|in|living at] [home|that address|the old place]
            [during the day|any more|then], [can|could] the {carrier} [leave|take|bring|drop] it
            [at|to|with] {dest}?
        i [accidentally|mistakenly|stupidly] [left|kept|saved] [my old|the wrong|my {person}'s|an old]
            [address|flat|street|postcode] on [the|my] order.
        my [autofill|browser|phone|account] [put in|filled in|added|used] [my old|an old|a wrong] {addr},
            [{story}|i didn't see it|please fix].
        there is a [typo|mistake|spelling mistake|error|wrong letter|wrong digit] in [my|the]
            [{addr}|{addr_part}], [it reads|it says|not] {street_name} [instead of|but] {street_name}.
        you have [me|us] [listed|registered|saved] [at|in|under] [{town}|{street}|my old address], [we
            left|i moved away|i left] {past}.
        [can|could|would] you [mind|please|] [send|sending|bring|bringing|redirect|deliver] it [to|at] my
            [{person}|{person}'s house|{person}'s flat] [at {street}|in {town}|].
        [we|i] [got married|separated|bought a house|changed flats|changed jobs|are staying with my
            {person}], [so|and] the {addr} [is new|needs changing|is different now].
        [it|the order|the parcel] [should|must|has to|needs to] [go|be going|be sent|be delivered] to
            {street}, [not|and not] [to|] {street}.
        [my office|the school|the shop|our building|the hotel|reception] is closed [{future}|until
            {weekday}|], [so send it|please ship it|deliver it] to {dest}.
        where [on the website|in my account|] [do i|can i] {change_v} [my|the|a saved]
            [{addr}|{addr_part}|delivery place]?
        [i have|there are] [two|three|several|old] addresses [saved|in my account|on file], [use the second
            one|it picked the wrong one|please delete the first|only {street} is right].
        {please} [hand|give|pass|deliver] it to [my {person}|the neighbour|the porter|the concierge] at
            [number {digit}|{street}|the side door].
        the [house|flat|apartment|door] number [is|should be] {digit}, [not|rather than|instead of] {digit}.
        [forgot|left out|missed] [the|my] {addr_part}, [its|it's|it should be] {digit}[a|b|c|].
        [i|we] will be [at my {person}'s|in hospital|in {town}|on a boat|in a hotel] [from
            {weekday}|{future}], [so please|can you|would you] {redirect_v} it to {dest}.
        {want} have [all|future|my|these] [parcels|orders|deliveries] [sent|delivered|go] to [{street}|our
            new home|{dest}] [from now on|from {month}|].
        [update|new|changed] {addr} [please|pls|for my account|for the {sub}]: {street}, {town}.
        the {carrier} always goes to the wrong [house|door|entrance|building|street], [ours is|it's|please
            put] {street}.
        {please} {redirect_v} [the|my|this] [parcel|order|package|box|{sub}] [somewhere else|elsewhere|to
            {dest}].
        {howto} [get|have] [it|my {goods}] [sent|delivered|rerouted|redirected|forwarded] [somewhere else|to
            {dest}|to {street}]?
    """,
    "cancel": """
        {please} {cancel_v} [my|the|this|our|that] {cancel_n}?
        {want} {cancel_v} [my|the|this|our|that] {cancel_n} [please|as soon as possible|before it ships|].
        {howto} {cancel_v} [my|an|the|this|that] {cancel_n} [before it ships|online|again|]?
        {cancel_v} [my|the|that] {cancel_n} [please|pls|asap|at once|immediately|right away|if you still
            can|].
        {cancel_v} it [please|before it ships|before you pack it|if it has not left|now|right now|].
        i [do not|don't|no longer|dont] [want|need|require] [it|the {item}|this order|them] [any
            more|anymore|after all|now].
        please [do not|don't|dont] [send|ship|post|dispatch|pack|deliver] [it|my {cancel_n}|the
            {item}|anything].
        i ordered [it|the {item}] by [mistake|accident], [so cancel it|please {cancel_v} it|can you
            {cancel_v} it].
        i [ordered|picked|chose|clicked|bought|selected] the wrong [{item}|size|colour|one|model|amount],
            {please} {cancel_v} [it|my {cancel_n}].
        i [ordered|clicked|paid|bought it|pressed the button] twice, {please} {cancel_v} [one|the second
            one|the duplicate].
        i [found|have found|saw|got] [it|the same {item}|one] [cheaper|elsewhere|in a shop|for {price}], so
            {cancel_v} mine.
        my {person} [already|has already|also] [bought|ordered|has] [one|it|the same {item}], so we don't
            need [it|ours].
        [is it|am i] too late to {cancel_v} [it|my {cancel_n}]? i only ordered {past}.
        [there is no|i can't find the|the] cancel button [anywhere|is grey|does not work|on the order
            page|].
        i tried to cancel [online|on the website|in the app|by phone|{past}] [but it failed|and could
            not|but it won't let me].
        {want} {cancel_v} [my|the|our] {sub} [from {month}|at once|before it renews|from next month|].
        {howto} {cancel_v} [my|the|this] {sub}?
        {please} {cancel_v} [my|the|our] {sub}.
        {please} [remove|drop|take|delete] the {item} from my order and [send|leave] the [rest|others|other
            things].
        the {occasion} is [off|cancelled|not happening], so we [won't|do not] need the {item}.
        [it takes|delivery takes|you take|the wait is] too long, so [i am cancelling|cancel it|please
            {cancel_v} my {cancel_n}].
        since it [won't|will not|cannot] come {future}, {cancel_v} it.
        i changed my mind [about the {item}|about my order|], [please stop it|{cancel_v} it|i don't want
            it].
        did [my|the] cancellation [work|go through|reach you|succeed]? [the order is still there|it says
            confirmed|].
        i asked you to {cancel_v} [it|my {cancel_n}] {past} and [it is still active|it was packed
            anyway|nothing happened].
        is there a [fee|charge|deadline|cost|penalty] for [a cancellation|a late cancellation]?
        [up to|until] when can i {cancel_v} [an order|my {cancel_n}|the {sub}]?
        hold [it|my order|the {item}], don't [ship|send|pack] it, i want to cancel.
        {cancel_v} [all of it|everything|the lot|the whole thing|both orders|all {num} of them].
        i [can't|cannot] afford [it|the {item}] [right now|this month|any more|after all], please {cancel_v}
            my {cancel_n}.
        i meant [one|two|{num}] {item}, not {num}, so {cancel_v} the [rest|others|whole order].
        my {person} ordered [it|the {item}] [without asking|on my phone|by accident|in secret], cancel it
            please.
        [stop|halt|freeze] the [order|shipment|production|dispatch] [please|before it is too late|at once].
        {cancel_v} and [reorder|i will order again|start over] [with the right size|in
            {colour}|later|another day].
        no need for [it|the {item}|this order] any more, {please} {cancel_v} it.
        i [forgot|was too quick|was tired|misread the page|clicked too fast] when i ordered, please
            {cancel_v} it.
        {want} [use|exercise] my right [to cancel|of withdrawal|to withdraw] [from the contract|for order
            {order_no}|].
        [if|as long as] it has not [shipped|gone out|left], {cancel_v} [it|the {cancel_n}].
        we [bought|are buying|went for|chose|found] [another|a different] {item} [instead|somewhere else],
            so cancel ours.
        [actually|on second thoughts|sorry|never mind], [forget|leave|skip] the {item}, i [won't|will not]
            be [buying|needing] it.
        i [no longer wish|would rather not|do not want] to [go ahead|continue|proceed|go through] with
            [it|the order|the purchase].
        [please confirm|confirm|let me know] that [my order|it|the {sub}] [is|has been] cancelled.
        order {order_no} [was|is] a [duplicate|mistake|double|error], [please|pls] {cancel_v} it.
        [please|kindly|pls] take [the {items}|the {item}|one {item}] [off|out of] my order, [the
            rest|everything else] [is fine|can stay|can be sent].
        [i've|i have|we have] [found|got|bought|borrowed|inherited|repaired] [another|a|my old|a better]
            {item}, [so stop the order|please cancel|no need to send it].
        i [pressed|hit|clicked] [buy|order|the button] [by accident|too early|too fast|twice], {story},
            [please stop it|{please} {cancel_v} it].
        [cancel|cancelling] [please|this|it|now], {story}.
        [what happens|do i pay] if i {cancel_v} [my {cancel_n}|the order|the {sub}] [now|after it
            ships|before dispatch]?
        [i'm|we're] [cancelling|calling it off|backing out|pulling out|going elsewhere], [don't ship
            it|please confirm|the wait is too long].
        please put a [stop|hold|halt] [to|on] [my {cancel_n}|order {order_no}|the {items}|it] before [it
            ships|you start|it is packed|anybody packs it].
        [my|our] [plans|circumstances|needs] [changed|have changed|fell through], [the order is not
            needed|so please {cancel_v} it|cancel please].
        {howto} [end|leave|quit|stop|pause|get out of] [my|the|this|your] {sub}?
        i [don't|no longer] want [the|any more of the|another] {sub}, [end it|stop it|cancel it]
            [please|from {month}|today].
        i [asked|told|begged] you to {cancel_v} [it|my {cancel_n}] [{past}|twice], [please stop it now|has
            it been cancelled|did it work].
        [is|was] [my|the] [cancellation|order|{cancel_n}] [cancelled|really cancelled|stopped|confirmed as
            cancelled] [now|yet|]?
        i wanted [a sample|one|two|the {size} one|a {colour} one], not [{num}|the {size} one|a whole
            roll|the {colour} one], please {cancel_v} [it|the order].
        [don't|do not|please don't] bother [sending|packing|shipping] [it|the {items}|my {cancel_n}], [i
            changed my mind|we won't need it|cancel it].
        [wrong|double|accidental|mistaken] order, [cancel|please cancel|stop|void] [it|the later one|order
            {order_no}|both] [please|thanks|].
        if [it|the parcel|my order] has [shipped|left] [already|], [never mind|ignore this|ok],
            [otherwise|if not] [please|] {cancel_v} it.
        [can|could|would] you [kindly|please|] {cancel_v} [the|my|our] [{item}|{items}|{item}
            order|pre-order|whole lot]?
        [let's not|i'd rather not|we decided not to|no longer going to] [go ahead|buy it|do this|have the
            {item}], [remove|cancel|drop] [the|my] order.
        [i|we] [cannot|can't|don't want to] wait [until|till] [{month}|{weekday}|next year], [cancel|please
            {cancel_v}] [it|everything|my {cancel_n}].
    """,
    "payment": """
        my {card} [was|is|keeps being|gets|has been|keeps getting|got] {declined} [at the {checkout}|every
            time|again|].
        [i was|i got|we were|you have|i have been] {charged} [twice|double|two times|{num} times|too
            much|{price} too much].
        you [took|charged|debited|withdrew] [{price}|the money|too much|the wrong amount|the payment]
            [twice|from my {card}|].
        my {code} [does not work|is not working|doesn't work|won't apply|is refused|says invalid|was not
            applied|is gone].
        {howto} [use|redeem|apply|enter|add] [my|a|the] {code} [at the {checkout}|with a gift card|on sale
            items|]?
        the {code} [says|shows|is] [invalid|expired|already used|not valid|unknown] [at the {checkout}|but
            it is new|].
        the {checkout} [freezes|crashes|hangs|shows an error|goes blank|is stuck|does nothing|keeps loading]
            when i [try to|] pay.
        {want} pay [with|by|in] {pay_way} [but it is not shown|but can't|please|].
        {howto} pay [with|by|in] {pay_way}?
        do you [take|accept|allow|offer|support] {pay_way} [as payment|]?
        my payment [failed|did not go through|was {declined}|is pending|is stuck|timed out|has an error|was
            not accepted].
        the money [has left|was taken from|is gone from|was debited from] my [account|bank|{card}] but [the
            order failed|there is no order|your site says unpaid|the payment failed|i got no receipt].
        why [was i|am i|have i been] {charged} [{price}|a {fee}|extra|more|for a {fee}|twice|{fee}|before it
            ships]?
        the {bill} [is wrong|shows the wrong amount|shows {price} instead of {price}|has an error|does not
            add up|is missing].
        {please} send [me|us] [an|the|a|my] [invoice|receipt|bill|vat invoice|copy of the invoice].
        i need [an invoice|a vat invoice|a receipt|the bill] for [my accountant|my company|tax|the
            order|{month}|the office].
        there is [a|an|one] [unknown|strange|extra|second|unexpected]
            [charge|payment|debit|transaction|{fee}] on my {bill}.
        the price [changed|went up|doubled|jumped|was different] [at the {checkout}|when i paid|after i
            paid|in the basket].
        the discount [was not|wasn't|has not been] [applied|taken off|deducted|counted], i paid [full
            price|{price}].
        my bank [blocked|refused|rejected|stopped|flagged] the [payment|transaction|transfer|charge].
        my bank says the [payment|amount|money|transaction] is
            [reserved|authorised|pending|completed|fine|on hold].
        i tried to pay [{num} times|with {num} cards|{past}|on my phone|all day] and [it failed|error
            {digit}|nothing works].
        [wrong|incorrect|different] [amount|currency|total|price|tax] on my {bill} [, please correct it|].
        [it|the {checkout}] says my [card number|billing details|expiry date|security code|billing address]
            [is|are] invalid.
        my {card} [has expired|was replaced|is new], {howto} [change|update] the payment method?
        there is [enough|sufficient|more than enough] credit [on|in] my {card}, [so why|but] it was
            {declined}.
        you [sent|mailed] me a payment reminder but i [paid|settled|transferred it] {past}.
        [i have|see attached] [proof|a screenshot|confirmation] of [payment|the transfer|the transaction|the
            charge].
        [i paid|paid|we paid] [by {pay_way}|{past}|in full|online] [but it still says unpaid|and got no
            receipt|].
        [can|could] i [split|spread] the [payment|cost|bill] [over {num} months|between two cards|into
            instalments]?
        the {fee} [is wrong|was added|is too high|should be free|was not shown|should not be there].
        i was {charged} for [my {sub}|the free trial|a {sub}] [although|but] [i did not order it|it was
            free|it expired].
        {please} [correct|explain|check|fix] [the|my|this] [{bill}|charge|bill|billing error|double
            payment].
        you charged [dollars|pounds|euros] instead of [dollars|pounds|euros] and the [bank|exchange rate]
            [cost|took] extra.
        two [identical|equal|pending] [payments|charges|transactions|debits] of {price} [on my
            {bill}|appeared|are there].
        [payment|transaction|billing|checkout|card] [error|failed|problem|rejected|issue|trouble]
            [{digit}|again|].
        [is|was] my payment [received|successful|accepted|taken|approved|complete]?
        my [bank|banking app|bank's app] asks [me|] to [confirm|approve|authorise] the payment and then
            [fails|times out|loops].
        [the balance of|the money on|what is left on] my gift card [is wrong|won't come off|is not
            deducted|disappeared].
        i should not pay [{fee}|a {fee}|vat|tax|full price], [we are a charity|i am a student|it was free
            delivery|it said free].
        the pay button [is grey|is greyed out|does nothing|is missing|will not react].
        {price} [was|is] [missing|taken|gone|deducted|reserved] [from|on] my {card} [for
            nothing|twice|{past}].
        [paid|i paid|we paid] [twice|double|the wrong amount|too much|{price} too much] [for the {item}|for
            order {order_no}|by mistake|].
        my {code} [gives|shows|comes up with|returns] [an error|invalid|nothing|no discount] [at the
            {checkout}|].
        {code} [doesnt work|not working|won't go through|is refused|expired|not accepted].
        [what|which] [payment methods|cards|ways to pay|currencies] do you [take|accept|offer]?
        [the|my] money [was taken|left my account|is gone|was reserved], [but|and] [no order|no
            confirmation|the purchase failed|it says unpaid].
        the {checkout} [asks|wants|demands] [my pin|a security code|an approval] from my [bank|phone] and
            then [fails|loops|stops].
        [total|amount|price|invoice|bill] [is|was] [higher|wrong|different|too high|not what i saw] [than in
            the basket|on the confirmation|at the {checkout}|].
        my {bill} [shows|lists|has] [two|three|{num}|unknown|strange] [charges|payments|transactions|debits]
            [from you|of {price}|i don't recognise|dated {past}].
        i can't [pay|check out|buy anything|complete my purchase|finish the order|place my order] [with my
            {card}|because the {checkout} fails|, it says {digit}|at all].
        [trying|i tried|we are trying] to [buy|order|pay for] [a|the|some] {items} but the
            [{card}|{checkout}|payment] [is {declined}|fails|won't work|keeps failing].
        {please} [resend|send|email] [the|a|my] [invoice|bill|receipt|bank details] [again|for {month}|for
            order {order_no}|].
        where [can i|do i] [find|download|see|get] [my|the|an] [invoice|bill|receipt|vat invoice|invoices]
            [for {month}|of order {order_no}|]?
        [the|my] [wallet|bank|banking app|card company] says [it is fine|no problem|not supported|payment
            {declined}].
        [do i|why must i|should i] [pay|have to pay] [{fee}|for postage|tax|twice|in dollars|in advance]
            [when|if] [it says free|it was free|i am exempt]?
        [the|your] [exchange rate|currency|conversion] is [wrong|awful|not what it said], i was {charged} in
            [dollars|euros|pounds|crowns].
        [is|was|why was] the [amount|payment|money] [taken|debited|charged|reserved] before [it
            shipped|dispatch|anything was sent|i confirmed]?
        the [expiry date|card number|security code|billing postcode|name on the card] is [not
            accepted|marked red|wrong it says|rejected].
        my {sub} was [renewed|billed|charged] [again|twice|to an old card|without asking|although i said
            no].
        [store credit|gift card|voucher] of {price} [cannot be used|is not taken off|is ignored|shows zero]
            at the {checkout}.
    """,
    "account": """
        [i can't|i cannot|cant|can't|i am unable to|unable to|i still can't] {login_v} [any more|on my
            phone|since {past}|].
        {howto} {login_v} [again|on a new phone|from another computer|]?
        it [won't|does not|doesn't|wont|will not|refuses to] let me {login_v}.
        i [forgot|have forgotten|lost|can't remember|do not remember|no longer know] my {password}.
        {howto} [reset|change|recover|find|get back|set] my {password}?
        {please} [reset|resend|send me|change|recover] my {password}.
        my {password} [does not work|is not working|is not accepted|is wrong|stopped working|was changed|has
            expired].
        the {code_n} [does not come|is slow|never came|has expired|does not work|is wrong|leads nowhere|is
            invalid].
        i [did not|never|didn't] [get|receive|see] [a|the|any] {code_n} [, also not in spam|in my inbox|by
            text|].
        {please} [send|resend] me [a|the] [new|] {code_n}.
        my {account} [is|was|has been|got|seems] {locked} [after too many attempts|for no reason|since
            {past}|].
        {please} [unlock|restore|reactivate|recover|open|unblock] my {account}.
        {please} [delete|close|remove|deactivate|erase|shut down] my {account} [for good|please|].
        {want} [delete|close|deactivate] my {account} [and my personal data|].
        the [page|site|app|website|login page|screen] [says|shows|tells me|keeps saying] {login_state}.
        i get [the message|an error|the error] {login_state} [when i {login_v}|every time|].
        [someone|somebody|a stranger|a hacker] [has hacked|is using|got into|logged into|changed|took over]
            my {account}.
        i think [my {account} was hacked|someone knows my {password}|my {password} was stolen|i was hacked].
        {howto} [change|update] [the email|my email|the phone number|my username|my name] [on my {account}|i
            use to log in]?
        i [changed|lost|broke|sold] my [phone|number|email|laptop] and [can't {login_v}|the {code_n} goes to
            the old one].
        i keep [getting|being] [logged out|signed out|kicked out|thrown out] [every {num} minutes|].
        i [registered|signed up|created an account|made an account] {past} but [got no {code_n}|can't
            {login_v}].
        {howto} [register|sign up|create an account|make an account|open an account] [with the same
            email|without a phone|]?
        the [register|sign up|login|confirm|verify|sign in] button [does nothing|is broken|is grey|does not
            work].
        {howto} [turn on|turn off|switch off|set up|enable] [two-factor|two-step] [login|sign
            in|protection]?
        my [email|email address] is [already taken|not recognised|not registered|unknown|wrong in my
            {account}|in use].
        i have two [accounts|profiles|logins], {howto} [merge|join|combine] them?
        [which|what] [email|username|user name|phone number] [did i use|is on my {account}|do you have for
            me]?
        i was [logged out|signed out|locked out] [of my {account}|and can't get back in|of the app|].
        the captcha [never works|keeps coming back|does not load|will not accept me] [when i {login_v}|].
        my {account} shows [the wrong name|nothing|no orders|another email|a stranger's data].
        i got [an email|a message|an alert] about a [login|sign in|new device|password change] [from
            {town}|that was not me].
        after the [update|new website|new app] i can't {login_v}.
        [the authenticator|the security question|face unlock|the fingerprint] [does not|won't] [work|accept
            me|match].
        [new phone|new laptop|new email|new browser], [can't {login_v}|lost my {password}|no {code_n}].
        the new {password} is [rejected|not saved|too short|too weak|not allowed|wrong as well].
        {howto} log out [of|on|from] [all|my other|every] [devices|device|computers|phones]?
        i never [made|opened|had|created] an account, do you [hold|have|keep] my [data|email|details]?
        i am [stuck|trapped] at the [login|sign in|password|verification] [screen|page|step], [it keeps
            spinning|it loops].
        [forgotten|lost|wrong|invalid] {password}, [need a new one|please reset|can't get in|no reset mail].
        {please} [check|verify|confirm] my [email|identity|account|phone number].
        [i've|i have] [tried|entered|typed] my {password} [{num} times|again and again|in every way], [it
            says|and get|always] {login_state}.
        the {code_n} [takes|sends|brings] me to [nowhere|an error|the start page|a blank page|nothing].
        [by the time|when|before] i [click|type|enter|open] the {code_n} it [has|is] [expired|no longer
            valid|dead].
        [my|the] {account} [says|shows|has|displays] [no history|no orders|the wrong email|someone else's
            data|a stranger].
        i [no longer have|lost|changed|don't use] [that|the|my old] [phone|phone number|email|email
            address|job], [how do i log in|so no {code_n}|how do i get back in].
        i [left|changed|quit] my [job|phone|provider] and [the login|my {account}] [uses|is tied to|is
            under] the old email.
        [is|was] it you who [changed|reset|locked] my [{password}|{account}]? [it wasn't me|i never
            asked|what happened].
        the [website|app|site|page] [asks|wants] me to [prove i am human|sign in again|verify my email|enter
            a code] [again and again|every {num} minutes|forever].
        my {person} used my [laptop|phone|tablet] and now [my {account} is {locked}|i'm signed out|i can't
            {login_v}].
        [create|creating|making|opening] [an account|a profile|a login] [fails|is impossible|does not
            work|gives an error|takes forever].
        {want} [set|choose|make|get] a [new|temporary|different|stronger] {password} [but it is refused|but
            the form fails|for my {account}].
        {howto} [get back into|recover|reopen|unlock|restore|find] my [old|] {account}?
        my {account} and [my orders|my history|my points|my wish list] [have disappeared|are gone|are empty]
            [since the update|since {past}|].
        [privacy|data|security] [question|problem|concern]: [who can see|delete|what do you store about|i
            want a copy of] my [data|{account}|details].
        [username|user name|email|login name] [forgotten|unknown|not found|already taken], [what is
            mine|help me {login_v}|what now].
        [the spinner|a wheel|the circle|a white page] [spins|keeps turning|appears] when i {login_v},
            [nothing else|and that's it|forever].
        [can|could] you [switch off|turn off|remove|disable] the [authenticator|two-step login|second
            factor|phone check] [so i can get in|for me|]?
        my [pin|face|fingerprint|security answer|maiden name] is [not accepted|never right|always wrong],
            [so i can't {login_v}|locked out again].
    """,
    "product": """
        is [the|this|your] {an_item} {quality}?
        [are|is] [the|these|your] {item} {quality} [or not|and {quality}|]?
        is it {quality} [or {quality}|and {quality}|enough|]?
        does [the|this] {an_item} [come with|include|have|need] [a|an|the|any]
            [{item}|{part}|batteries|warranty|instructions]?
        what [is|are] the {measure} of the {an_item}?
        what is [it|the {item}|the {part}] {spec}?
        what is the {item} made of, {material} or {material}?
        is it [real|solid|pure|genuine|fake] {material} or [just|] {material}?
        how [big|heavy|long|tall|wide|deep|thick|bright|loud|warm|strong|high|large] is the {an_item}?
        how many [cups|litres|people|pieces|pages|letters|pens|spoons|chairs|plates] [does it hold|are in a
            set|fit]?
        can [i|you|it|the {item}] [use it|be used|be washed|go|be put|be left|put it] {use_place}?
        can [the|this] {item} be used {use_place}?
        will [it|the {item}|this] fit [a|my|in a|on a] [{furniture}|{room}|{digit} {size_unit}
            {item}|{kitchen}|{person}]?
        is [the|this] {an_item} {stock}?
        when will the {an_item} be {stock}?
        do you [have|sell|stock|make|carry|offer] [it|the {item}|this|{item}] in
            [{colour}|{material}|{size}|another colour]?
        do you [have|sell|stock|make] [a|any|some] {an_item} [for {use_place}|for my {person}|for a
            {room}|]?
        which {item} [do you recommend|is best|would you choose|is better|should i get] [for a
            {room}|{use_place}|]?
        what is the difference between the {size} and the {size} {item}?
        is the {colour} [more like|closer to|the same as|a dark] {colour} [by daylight|than in the photo|or
            {colour}]?
        [i am|my {person} is] [allergic to|sensitive to] [{material}|nuts|perfume|wool|milk], [is it
            safe|does it contain any]?
        what are the ingredients [of|in] the {food}?
        does [the|your] {food} [contain|have] [nuts|sugar|milk|alcohol|palm oil|caffeine|gluten|perfume]?
        how [do i|should i|do you] [wash|clean|care for|assemble|hang|store|iron|dry|fold|water] the {item}?
        [does|will] the {item} [shrink|fade|scratch|rust|smell|stretch|tick|make noise|float|stick|spill]
            [{use_place}|]?
        is it [suitable|safe|good|ok|right] for [a baby|a {digit} year old|my {person}|a
            {pet}|beginners|{room}|{use_place}]?
        what [size|colour|age|model|version] [should i take|is it for|is right for me|do i need|do you
            suggest]?
        i usually [wear|take] a {size}, which [size|one] should i [order|choose|take]?
        i am looking for [a|an|some] {an_item} [as a {gift}|for my {person}|under {price}|for the {room}],
            any ideas?
        how long is the [warranty|guarantee|cable|cord|strap|battery life] [of|on] the {item}?
        where is the {item} [made|produced|from|grown]?
        is it [made in|from|imported from] {town}?
        do you offer gift wrapping [for the {item}|and a card|]?
        [can|could] you [engrave|print|embroider|personalise] [a name|initials|a text|a date] on the {item}?
        does the {item} [need|require] [assembly|batteries|a screwdriver|a {part}|drilling|{size}
            batteries|ironing]?
        is the {part} [removable|replaceable|adjustable|{material}|{colour}|included|strong enough]?
        do you [sell|have] [spare|replacement|extra|matching] [{part}s|{item}|parts|covers|lids]?
        would [it|the {item}] [look good|work|be strong enough|go well] [{use_place}|with a {colour}
            {item}|for two people]?
        will there be [more|another batch|a restock|a bigger version|a {colour} version] of the {an_item}?
        the [description|listing|page|photo] [says|shows|mentions] {material}, is [that|it] [true|the
            {part}|all of it]?
        can i see [more photos|the inside|the back|the {part}] of the {item} [before i buy|]?
        is the {item} [compatible with|the same as|a match for] [the old model|other brands|my {item}|the
            {size} one]?
        [before i buy|quick question|just wondering|one question]: is the {item} {quality}?
        how does the {food} [taste|smell], is it [sweet|bitter|strong|mild|fruity|spicy|floral]?
        does it [hold|carry|take|fit] [{digit} {size_unit}|a laptop|a large {item}|two adults|hot water]?
        is the {an_item} [worth|any better than] [the money|the price|the {size} one|the cheaper one]?
        are [the|your|these] {items} {quality} [or {quality}|and {quality}|enough for {use_place}|]?
        do [the|your|these] {items} [come with|have|need|include] [a {part}|batteries|lids|a
            warranty|instructions]?
        [can|could] [the|these|your] {items} [go|be used|be kept|be washed|stand|be left] {use_place}?
        how [big|heavy|thick|warm|loud|strong|wide|deep] are the {items}?
        what are the {items} made of, [{material}|is it {material}|{material} or {material}]?
        do the {items} [shrink|fade|rust|smell|scratch|break easily|stick|stretch|run small|crease]?
        [how many|are there|do i get] {items} [come in a set|in one box|for that price|in a pack|per set]?
        will [the {items}|the {item}|it] [fit|suit|match|go with|stick to|hold|hold up|work with] [a {size}
            {furniture}|my {room}|{material}|a {digit} {size_unit} {item}|two people|a grown man]?
        does [it|the {item}|this {item}] [make noise|tick|smell|need oil|need a bulb|have a {part}|have
            pockets|reach the floor|fold flat|block the light]?
        is there a [{size}|{colour}|{material}|cheaper|lighter|better|{quality}] [version|one|model|option]
            of [the|this] {item}?
        are [you|they|the {items}] [getting|having] more of [these|the {items}|the {colour} ones]? [they
            are|it is|it was] sold out.
        is the {size} one [still available|big enough for {num} people|the same as in the photo|{quality}]?
        which [one|size|model|colour] is [bigger|brighter|lighter|stronger|quieter|warmer|better
            {use_place}], the {size} or the {size}?
        [what kind of|which] [wood|batteries|bulb|oil|leather|fabric|plug|screws|wool|paper] [is it|does it
            need|is used|do you use|does the {item} take]?
        [i'm|my {person} is] [very tall|quite small|left handed|a beginner|vegan|a keen cook|a gardener],
            [is the {item} right for me|would the {item} suit|what do you recommend]?
        i [want to|need to|would like to] [hang|put|use|place|stand] [it|the {item}] {use_place}, [will it
            hold|is that ok|does it work|is it {quality}]?
        [need|looking for|want] [a|some] {an_item} [around|under|for about|up to] {price}, [any
            suggestions|what do you recommend|what have you got]?
        [can|do] you [add|engrave|print|write|sew|put] [a name|letters|a message|initials|our logo] on the
            {items}?
        [the label|the manual|the leaflet|the recipe] is [in german|missing online|hard to read], how do i
            [wash|use|build|clean|bake with] the {item}?
        does the {item} have to be [assembled|oiled|charged|soaked|ironed|screwed to the wall], or is it
            ready to use?
    """,
    "praise": """
        the {an_item} is {nice}, [thank you so much|i love it|we are {pleased}|exactly what i wanted].
        my {person} [loves|adores|really likes|uses] the {item} [every day|so much|already|].
        i am [very|so|really] {pleased} with [my|the] {item} and the [quick|friendly|kind|helpful] service.
        [great|excellent|lovely|wonderful] shop, i will [come back|order again|tell my {person}|buy here
            again].
        [thanks|thank you] for the [fast|quick|careful|friendly] [delivery|help|reply|packing].
        the {item} looks {nice} in our {room}.
        your team [was|is] [so kind|very helpful|fantastic|patient], five stars.
        the {colour} {item} [smells|feels|looks|tastes] {nice}.
    """,
    "cooking": """
        [boil|heat|warm] the water in a {kitchen} and add the {food}.
        i [bake|cook|make] [bread|soup|cake|pasta|pancakes] [every {weekday}|for my {person}] in the
            {kitchen}.
        [stir|mix|whisk] the [flour|eggs|sugar|butter|milk|cream] in a {size} bowl with a
            [spoon|whisk|fork].
        put the {kitchen} in the oven for {digit} minutes until [golden|brown|soft|hot].
        we had [soup|tea|coffee|toast|salad|cake] with {food} for [breakfast|lunch|dinner].
        the {kitchen} is [hot|full|empty|clean], the [soup|tea|coffee|sauce|jam] is
            [ready|cold|sweet|bitter].
        cut the [bread|onions|apples|carrots|cheese] with a sharp knife on the cutting board.
    """,
    "cleaning": """
        [wash|clean|wipe|scrub|dry] the {item} with [warm water|soap|a soft cloth|vinegar|a sponge].
        i [clean|tidy|sweep|mop] the {room} [every {weekday}|in the morning|before guests come].
        do not [iron|bleach|tumble dry|soak] [the|your] {clothing}, it may [shrink|fade|stretch].
        the {material} {item} should be [dusted|polished|oiled|washed] [by hand|once a month|gently].
        hang the {clothing} [outside|on the line|in the {room}] to dry.
        the washing machine [is full|takes an hour|shrinks wool], so wash the {clothing} by hand.
    """,
    "garden": """
        plant the {garden_item} in [spring|autumn|{month}|a sunny spot|good soil] and water it
            [often|well|daily].
        the [roses|tomatoes|herbs|tulips|beans] in the garden [grow|bloom|need water] in {month}.
        our {garden_item} stands on the [balcony|terrace|lawn] next to the {garden_item}.
        dig a hole with the {garden_item}, put in the [seeds|bulbs|roots] and cover them with soil.
        [rain|sun|frost|snow|wind] is [good|bad] for the {garden_item}.
        the {pet} [sleeps|plays|digs] in the garden under the [tree|bench|bush].
    """,
    "family": """
        we are [having|planning|giving] a {occasion} for my {person} {future}.
        my {person} [turns|will be] {num} {future}, so i [need|am looking for|bought] a {gift}.
        last {weekday} my {person} and i [went|walked|drove] to [the market|town|the beach|the park|{town}].
        the kids [play|are playing] with the {toy} in the {room}.
        my {person} [sat|slept|reads] on the {furniture} with the {pet} and a [book|blanket|cup of tea].
        it is [cold|warm|raining|snowing|sunny] [today|this {month}|in {town}], so wear a {clothing}.
        in the evening we [sit|read|eat|talk] in the {room} and light a [candle|lamp|fire].
    """,
    "shop": """
        what are your opening hours on {weekday}?
        do you have a [shop|store|showroom] in {town}?
        are you [open|closed] on {weekday} [and {weekday}|]?
        is there [parking|a cafe|a bus stop] near your [shop|store]?
        do you have any jobs [for students|in {town}|]?
        {please} take me off the [newsletter|mailing list|catalogue list].
        {want} [sell|show|supply] my {item} in your shop.
        can i get a [catalogue|brochure|newsletter]?
    """,
}


def _lines(text: str) -> list[str]:
    """Split a block into its lines, joining those that are indented further to the line before."""
    lines: list[str] = []
    margin = None
    for line in filter(str.strip, text.splitlines()):
        indent = len(line) - len(line.lstrip())
        margin = indent if margin is None else margin
        if indent > margin:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
    return lines


def _plural(noun: str) -> str:
    """Put a noun into the plural by the ordinary rules; the few nouns that break them do no harm."""
    if noun.endswith(("ves", "ings")) or (noun.endswith("s") and not noun.endswith("ss")):
        return noun
    if noun.endswith(("shelf", "scarf")):
        return noun[:-1] + "ves"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def _read_words(text: str) -> dict[str, list[str]]:
    """Read the slots: entries are parted by commas, or for whole sentences by bars outside brackets."""
    words = {}
    for line in _lines(text):
        name, entries = line.split(":", 1)
        pattern = r"\|(?![^\[]*\])" if name == "filler" else ","
        words[name] = [entry.strip() for entry in re.split(pattern, entries)]
    words["items"] = [_plural(noun) for slot in NOUN_SLOTS for noun in words[slot]]
    return words


WORDS = _read_words(WORDS_TEXT)
TOPICS = {name: _lines(text) for name, text in TOPICS_TEXT.items()}
BACKGROUND_TOPICS = tuple(name for name in TOPICS if name not in CORE_TOPICS)


def expand(frame: str, rng: random.Random) -> str:
    """Fill every hole of a frame, innermost first, until none is left.

    Args:
        frame: Text with ``{slot}`` and ``[a|b]`` holes.
        rng: Source of the choices.

    Returns:
        Plain text with single spaces.
    """

    def fill(match: re.Match[str]) -> str:
        return rng.choice(WORDS[match[1]] if match[1] else match[2].split("|"))

    while HOLE.search(frame):
        frame = HOLE.sub(fill, frame)
    return re.sub(r"\s+([,.?!])", r"\1", " ".join(frame.split()))


def _misspell(word: str, rng: random.Random) -> str:
    """Drop, double or swap one inner letter, as a hurried customer would."""
    spot = rng.randrange(1, len(word) - 2)
    kind = rng.randrange(3)
    if kind == 0:
        return word[:spot] + word[spot + 1 :]
    if kind == 1:
        return word[: spot + 1] + word[spot:]
    return word[:spot] + word[spot + 1] + word[spot] + word[spot + 2 :]


def _contract(text: str, rng: random.Random) -> str:
    """Shorten many of the long forms, "i am" to "i'm", as people do."""

    def shorten(match: re.Match[str]) -> str:
        return CONTRACTIONS[match[1]] if rng.random() < CONTRACTION_SHARE else match[1]

    return CONTRACTIBLE.sub(shorten, text)


def _roughen(text: str, rng: random.Random) -> str:
    """Make some messages careless: no apostrophes, no end mark, extra marks, a few typos."""
    if rng.random() < 0.3:
        text = text.replace("'", "")
    if rng.random() < 0.25:
        text = text.rstrip(".?")
    elif rng.random() < 0.12:
        text = text.rstrip(".?") + rng.choice(("!", "!!", "??", "...", "?!", " :("))
    words = text.split(" ")
    return " ".join(_misspell(w, rng) if len(w) > 4 and rng.random() < TYPO_SHARE else w for w in words)


def _join(sentences: list[str], rng: random.Random) -> str:
    """String sentences together, now and then into a longer one."""
    text = sentences[0]
    for sentence in sentences[1:]:
        if rng.random() < 0.3:
            text = text.rstrip(".?") + rng.choice(JOINTS) + sentence
        else:
            text = f"{text} {sentence}"
    return text


def message(rng: random.Random) -> str:
    """Write one message: a few sentences of one topic, maybe with a greeting, an aside and a farewell.

    Args:
        rng: Source of all choices; the same state gives the same message.

    Returns:
        One line of text.
    """
    pool = BACKGROUND_TOPICS if rng.random() < BACKGROUND_SHARE else CORE_TOPICS
    frames = TOPICS[rng.choice(pool)]
    parts = [expand(rng.choice(frames), rng) for _ in range(rng.choice(SENTENCE_COUNTS))]
    if rng.random() < 0.25:
        parts.insert(rng.randrange(len(parts) + 1), expand("{filler}", rng))
    text = _contract(_join(parts, rng), rng)
    if rng.random() < 0.2:
        text = expand("{greet}[,|!|.|] ", rng) + " " + text
    if rng.random() < 0.15:
        text += " " + expand("{bye}[|.|!]", rng)
    return _roughen(text, rng)


def messages(count: int, seed: int) -> Iterator[str]:
    """Write messages; the same seed gives the same messages everywhere.

    Args:
        count: How many messages to write.
        seed: Seed of the random choices.

    Yields:
        One message at a time.
    """
    rng = random.Random(seed)
    for _ in range(count):
        yield message(rng)
