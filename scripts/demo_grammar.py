"""A small seeded grammar that writes everyday shop and household messages.

The demo checkpoint is pretrained on text made here, so nothing has to be downloaded and anyone can remake it.
A frame is a line of text with two kinds of holes: ``{slot}`` is replaced by a random entry of ``WORDS[slot]``
(which may hold further holes), and ``[a|b|c]`` by one of the alternatives, of which one may be empty.

Every message keeps to one topic, because that is what lets a masked language model learn which words belong
together. The frames were written apart from the rows of the demo data set, none of which is used here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

WORDS_TEXT: dict[str, str] = {
    # --- people, time and numbers -------------------------------------------------------------------------
    "name": "anna, tom, priya, omar, lucy, ben, sofia, jack, mina, peter, carla, hugo, nina, sam, ines, leo",
    "person": "wife, husband, mother, mum, dad, father, sister, brother, son, daughter, aunt, uncle, cousin, "
    "grandmother, niece, nephew, friend, best friend, colleague, boss, flatmate, partner, girlfriend, "
    "boyfriend, neighbour, little boy, kid, toddler, teacher, carer, landlord, mother in law, ex, family",
    "pet": "dog, cat, puppy, rabbit, kitten, parrot",
    "weekday": "monday, tuesday, wednesday, thursday, friday, saturday, sunday",
    "month": "january, february, march, april, may, june, july, august, september, october, november, december",
    "num": "two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, fifteen, twenty, thirty, forty",
    "digit": "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 23, 25, 30, 40, 50, 60, 75, 80, 90, 100, 120",
    "ord": "1st, 2nd, 3rd, 4th, 5th, 6th, 8th, 9th, 10th, 11th, 12th, 14th, 17th, 19th, 21st, 22nd, 24th, 28th",
    "unit_time": "days, weeks, working days, business days, hours, months",
    "duration": "{num} {unit_time}, a week, a fortnight, ages, days, weeks, over a month, a whole week, "
    "more than {num} {unit_time}, half a year, an hour, several days, a couple of weeks, years",
    "past": "yesterday, last {weekday}, last week, on {weekday}, last night, this morning, {num} {unit_time} ago, "
    "the other day, in {month}, on the {ord}, earlier today, an hour ago, at the weekend, last month, "
    "{weekday} evening, this afternoon, at the end of {month}, back in {month}, on the {ord} of {month}",
    "future": "tomorrow, on {weekday}, by {weekday}, next week, this week, before {weekday}, by the {ord}, tonight, "
    "in {month}, before the weekend, on the {ord}, soon, today, by noon, this evening, in time, next month, "
    "within {num} {unit_time}, before christmas, before easter, early next week, by the end of {month}",
    "clock": "{digit} am, {digit} pm, noon, midnight, half past {num}, {num} o'clock, lunchtime, 9am, 6pm, 14:30",
    "order_no": "{digit}{digit}, {digit}{digit}{digit}, #{digit}{digit}, {digit}0{digit}, no. {digit}{digit}",
    "price": "{digit}.99, {digit}.50, {digit} euros, {digit} pounds, {digit} dollars, {digit}, {digit}.20, {digit} quid",
    "percent": "10%, 15%, 20%, 25%, 30%, 50%, half, a third",
    # --- things ---------------------------------------------------------------------------------------------
    "colour": "red, blue, green, yellow, black, white, grey, brown, pink, purple, orange, beige, navy, turquoise, "
    "cream, silver, gold, dark green, light blue, violet, ivory, mustard, olive, copper",
    "material": "wood, oak, pine, walnut, bamboo, metal, steel, stainless steel, iron, cast iron, brass, copper, "
    "aluminium, tin, glass, ceramic, porcelain, clay, stone, marble, plastic, rubber, leather, cotton, linen, "
    "wool, silk, velvet, polyester, felt, paper, cardboard, wicker, cork, wax, canvas, denim, nylon, nickel",
    "decor": "lamp, vase, candle, mirror, clock, picture frame, lantern, cushion, rug, carpet, curtains, blanket, "
    "throw, pillow, doormat, basket, wallpaper, poster, print, ornament, tray, coaster, duvet cover, bed sheets, "
    "towel, bath mat, tablecloth, coat hook, light bulb, lampshade, storage box, wreath, quilt, linen set",
    "kitchen": "mug, cup, plate, bowl, glasses, teapot, kettle, jug, pan, saucepan, frying pan, pot, jar, knife, "
    "forks, spoons, cutting board, tin, bottle, flask, toaster, blender, mixer, coffee maker, grinder, whisk, "
    "sieve, dish, oven gloves, apron, lid, sugar bowl, tea towel, lunch box, cake stand, salt mill, ladle",
    "furniture": "chair, table, stool, shelf, bookshelf, desk, bench, sofa, armchair, wardrobe, drawer, cabinet, "
    "mattress, bed frame, cupboard, coat stand, side table, cot, bookcase, footstool, chest",
    "clothing": "jumper, sweater, shirt, coat, jacket, dress, skirt, trousers, jeans, socks, shoes, boots, slippers, "
    "hat, scarf, gloves, cardigan, belt, bag, backpack, handbag, purse, umbrella, pyjamas, earrings, necklace, "
    "bracelet, ring, watch, sandals, hoodie, raincoat, blouse",
    "toy": "puzzle, board game, doll, teddy bear, toy train, wooden blocks, kite, ball, drone, toy car, music box, "
    "colouring book, card game, rocking horse, pram, dolls house, balloons, jigsaw",
    "gadget": "torch, radio, speaker, headphones, earphones, charger, cable, phone case, record player, keyboard, "
    "printer cartridge, batteries, alarm clock, fan, heater, vacuum cleaner, iron, hair dryer, camera, tablet, "
    "laptop stand, screen, drill, tool kit, night light, power bank, monitor",
    "garden_item": "plant pot, watering can, garden bench, seeds, bulbs, spade, rake, bird house, hose, garden chair, "
    "parasol, fern, herb kit, lawn mower, compost bin, planter, orchid, cactus, plant, rose bush, trowel",
    "food": "tea, coffee, honey, jam, chocolate, biscuits, olive oil, spices, soap, shampoo, perfume, bath salts, "
    "hand cream, sauce, cake mix, sweets, nuts, lotion, hamper, mustard, pasta, vinegar",
    "paper_item": "notebook, pen, pencil case, diary, calendar, birthday card, envelopes, wrapping paper, ink, paint, "
    "brushes, stickers, book, sketchbook, stamps, planner, photo album, scissors, glue",
    "item": "{decor}, {kitchen}, {furniture}, {clothing}, {toy}, {gadget}, {garden_item}, {food}, {paper_item}",
    "an_item": "{colour} {item}, new {item}, {size} {item}, {material} {item}, set of {item}, pair of {clothing}, "
    "{item}, {item}, {item}",
    "part": "handle, lid, leg, wheel, strap, zip, button, hinge, base, edge, corner, side, spout, cord, plug, switch, "
    "motor, screen, cover, seam, buckle, top, bottom, frame, knob, shelf, foot, neck, rim, stand, sleeve, spring, "
    "cable, drawer, door, pocket, lens, cap, battery, screw, bolt, bracket, panel, pedal, stem, heel, sole",
    "size": "small, large, medium, tiny, huge, big, extra large, mini, long, short, wide, narrow, bigger, smaller",
    "size_unit": "cm, inches, metres, mm, feet, litres, kg, grams, ml",
    "room": "kitchen, bathroom, bedroom, living room, hall, office, nursery, garden, balcony, attic, garage, terrace",
    "gift": "birthday present, christmas gift, wedding present, gift, surprise, anniversary gift, leaving present",
    "occasion": "birthday, wedding, party, anniversary, christmas, easter, holiday, christening, housewarming, trip",
    # --- manner ---------------------------------------------------------------------------------------------
    "annoyed": "annoyed, upset, disappointed, frustrated, fed up, angry, unhappy, worried, confused, cross, furious",
    "pleased": "happy, pleased, delighted, grateful, thrilled, glad, impressed, satisfied",
    "bad": "terrible, awful, poor, dreadful, horrible, bad, shocking, rubbish, hopeless, ridiculous, appalling",
    "nice": "lovely, nice, great, beautiful, wonderful, pretty, gorgeous, perfect, excellent, charming, fantastic",
    "please": "please, pls, kindly, please could you, could you please, can you, can you please, could you, "
    "would you, would you mind, i would like you to, i need you to, can someone, could somebody, i want you to",
    "want": "i want to, i would like to, i'd like to, i need to, i wish to, i have to, id like to, wanna, "
    "we want to, we would like to, i'd love to, i was hoping to, i am trying to, im trying to, i'd prefer to",
    "howto": "how do i, how can i, is it possible to, can i, am i able to, is there a way to, may i, could i, where do i, "
    "can we, how do we, what do i do to, is there any way to, do you let me, how does one, any way to, "
    "is it too late to, would it be possible to, please tell me how to, what is the best way to",
    "greet": "hello, hi, hey, good morning, good afternoon, dear team, hi there, hello there, good evening, dear shop, "
    "hi team, hey guys, dear sir or madam, to whom it may concern",
    "bye": "thanks, thank you, many thanks, thx, cheers, kind regards, best wishes, regards, thanks in advance, ta, "
    "thank you very much, yours {name}, thanks {name}, best {name}, greetings from {name}",
    "filler": "please get back to me [{future}|as soon as you can|quickly|asap].|i look forward to hearing from you.|"
    "can someone help?|please help.|please advise.|what should i do?|i am [really|very|quite|so] {annoyed}.|"
    "this is {bad} service.|i have been a customer for {duration}.|nobody [answers|replies|picks up].|"
    "i have written to you {num} times already.|let me know.|can you sort it out?|what is going on?|"
    "sorry for the trouble.|i hope you can help.|any help is welcome.|i don't understand.|not impressed.|"
    "your chat bot was no help at all.|this is urgent.|no rush.|just asking.|i would be grateful.|why is that?|"
    "can you look into it?|please check.|i tried calling but the line is busy.|ok?|it makes no sense.|seriously?|"
    "it's been {duration}.|i'm waiting for an answer.|could you explain?|please reply to this email.|thats all.",
    # --- delivery -------------------------------------------------------------------------------------------
    "goods": "order, parcel, package, delivery, shipment, box, stuff, things, item, purchase, {item}, goods, order {order_no}",
    "ship_v": "shipped, been sent, been dispatched, been posted, gone out, left, been shipped, been mailed, been packed, "
    "been handed over, been picked, been processed, moved",
    "to_ship": "ship, be sent, be dispatched, go out, leave, be posted, be shipped, be packed, be mailed, be ready",
    "arrive": "arrive, come, get here, turn up, show up, be delivered, reach me, reach us, land, be here, get to me",
    "arrived": "arrived, come, turned up, shown up, been delivered, reached me, got here, appeared, landed, been received",
    "carrier": "courier, driver, postman, carrier, post office, delivery company, delivery man, van, postal service, "
    "delivery firm, parcel service, courier company, delivery guy",
    "depot": "warehouse, depot, sorting centre, hub, distribution centre, store, customs, terminal, parcel centre, stockroom",
    "track_state": "in transit, on its way, processing, out for delivery, label created, pending dispatch, not found, "
    "awaiting collection, delivered, delayed, at the {depot}, on hold, being prepared, order received, no information, "
    "unknown, returned to sender, preparing, with the courier, accepted, held at customs, arriving {future}",
    "place_left": "doorstep, porch, letterbox, mailbox, front door, reception, back garden, gate, hallway, mat, bin shed",
    # --- refunds --------------------------------------------------------------------------------------------
    "refund_n": "refund, money back, reimbursement, full refund, partial refund, credit, cash back, repayment, money",
    "give_back": "refund me, give me my money back, reimburse me, pay me back, credit my card, return my money, "
    "issue a refund, refund the money, refund my {goods}, process my refund, repay me, refund the full amount",
    "send_back": "return, send back, post back, bring back, give back, hand back, ship back, take back",
    "sent_back": "returned, sent back, posted back, brought back, shipped back, dropped off, mailed back, handed back",
    "dislike": "too small, too big, too large, too tight, too heavy, too bright, too loud, not what i wanted, "
    "not as described, not like the [picture|photo], the wrong {colour}, not my taste, itchy, disappointing, poor quality, "
    "cheap looking, not what i expected, uncomfortable, ugly, a bad fit, not suitable, different from the [photo|website]",
    "unused": "unopened, unused, unworn, still sealed, still in its box, still wrapped, never used, as new, untouched",
    # --- damage ---------------------------------------------------------------------------------------------
    "broken": "broken, cracked, smashed, shattered, chipped, scratched, dented, bent, torn, ripped, split, snapped, burst, "
    "damaged, crushed, squashed, stained, dirty, mouldy, rusty, faulty, defective, ruined, melted, warped, wobbly, "
    "loose, crooked, leaking, soaked, wet, dead, rotten, frayed, peeling, in pieces, in bits, unusable, in half, faded",
    "broke": "broke, cracked, snapped, fell off, came off, split, tore, burst, came loose, shattered, bent, melted, "
    "fell apart, came apart, jammed, got stuck, stopped working, ripped, leaked, chipped, collapsed, exploded",
    "flaw": "crack, chip, scratch, dent, hole, tear, stain, mark, scuff, rip, split, bubble, rust spot, burn, splinter, "
    "missing screw, loose thread, leak, fault, defect, broken part, gap, nick, smear, patch of mould",
    "dead_verb": "work, turn on, switch on, start, charge, light up, close, open, shut, play, spin, heat up, connect, move, "
    "stand straight, stay up, fit together, make a sound, hold water, lock, power up",
    "noise": "rattling, buzzing, grinding, squeaking, humming, clicking, burning, crackling, hissing, smoking",
    # --- address --------------------------------------------------------------------------------------------
    "addr": "address, delivery address, shipping address, postal address, home address, street address, delivery details, "
    "shipping details, address details, adress, contact address",
    "addr_part": "postcode, post code, zip code, street, street name, house number, flat number, apartment number, city, "
    "town, country, county, door number, floor, building name, recipient, surname on the label, unit number, region",
    "change_v": "change, update, edit, amend, correct, fix, alter, modify, switch, adjust, swap, replace, put right",
    "redirect_v": "redirect, reroute, forward, divert, deliver, send, ship, take, bring, route, post, pass on",
    "dest": "my office, my work, my new flat, my new house, my {person}'s house, my {person}'s place, a neighbour, "
    "another address, a different address, a pick-up point, a parcel shop, a locker, a collection point, my workplace, "
    "the house next door, our new home, my hotel, the school, my {person} in {town}, the shop on the corner, "
    "somewhere else, the reception desk, {street}, {street}, a different city, the other address, our holiday cottage, "
    "my student hall, the {place_left}, number {digit}, abroad, another country, a friend",
    "street": "{digit} {street_name} {street_kind}, flat {digit} {digit} {street_name} {street_kind}, "
    "{street_name} {street_kind} {digit}, {street_name} {street_kind}",
    "street_name": "maple, oak, church, mill, station, park, king, queen, river, garden, rose, bridge, school, meadow, "
    "chapel, harbour, orchard, castle, forest, lake, market, victoria, willow, spring, abbey, hill",
    "street_kind": "street, road, lane, avenue, close, way, square, drive, court, row, st, rd, terrace, grove, crescent",
    "town": "oxford, york, bristol, dublin, cork, bath, leeds, london, paris, berlin, oslo, norway, france, spain, "
    "scotland, wales, ireland, germany, cardiff, glasgow, italy, poland, kent",
    # --- cancelling -----------------------------------------------------------------------------------------
    "cancel_v": "cancel, stop, call off, withdraw, scrap, halt, void, annul, revoke, undo, drop, reverse, pull, remove, "
    "get rid of, take back, abort, end, get out of, cancle, delete",
    "cancel_n": "order, whole order, purchase, order {order_no}, last order, pre-order, second order, {item} order, "
    "order from {past}, order i made {past}, order i placed {past}, booking, duplicate order, order for the {item}",
    "sub": "subscription, membership, monthly box, plan, trial, monthly plan, coffee subscription, flower subscription, "
    "weekly delivery, standing order, repeat order",
    # --- payment --------------------------------------------------------------------------------------------
    "card": "card, credit card, debit card, bank card, gift card, card payment, visa, prepaid card, bank account",
    "declined": "declined, rejected, refused, blocked, not accepted, failing, denied, turned down, not going through, failed",
    "code": "voucher, voucher code, coupon, promo code, discount code, gift card, gift voucher, student discount, "
    "offer code, store credit, loyalty points, coupon code, promotion",
    "charged": "charged, billed, debited, invoiced, overcharged, double charged, made to pay",
    "bill": "invoice, bill, receipt, statement, total, bank statement, vat invoice, tax invoice, payment receipt, "
    "credit note, payment reminder, order total",
    "fee": "delivery fee, tax, sales tax, vat, postage, shipping cost, handling fee, service fee, bank fee, customs fee, "
    "exchange rate, surcharge, currency, amount, deposit, price, charge, express postage",
    "checkout": "checkout, payment page, basket, cart, till, last step, payment screen, pay button, website, app, terminal",
    "pay_way": "bank transfer, credit card, debit card, cash, cheque, instalments, invoice, gift card, direct debit, "
    "pay later, two cards, cash on delivery, monthly payments, phone, store credit, wallet app, standing order",
    # --- account --------------------------------------------------------------------------------------------
    "login_v": "log in, sign in, login, log on, get into my account, access my account, open my account, enter my account, "
    "get in, see my profile, use my account, get into my profile, access my profile, sign into the app",
    "password": "password, passcode, pin, login details, username, user name, credentials, passwort, pasword, login",
    "account": "account, profile, user account, customer account, login, online account, user profile, shop account",
    "locked": "locked, blocked, suspended, disabled, deactivated, frozen, closed, hacked, gone, deleted, compromised, "
    "restricted, banned, inactive, empty",
    "code_n": "verification code, security code, login code, reset link, activation link, confirmation email, reset email, "
    "two-factor code, one time code, password email, verification email, six digit code, text with the code",
    "login_state": "wrong password, user not found, invalid login, account locked, incorrect code, too many attempts, "
    "email already in use, session expired, access denied, unknown user, please verify, not recognised, "
    "email not registered, invalid credentials, link expired, try again later, you are not a robot",
    # --- products -------------------------------------------------------------------------------------------
    "quality": "waterproof, dishwasher safe, oven proof, washable, organic, vegan, handmade, heavy, soft, scented, quiet, "
    "bright, adjustable, foldable, recyclable, fireproof, stackable, sturdy, safe for babies, suitable for children, "
    "gluten free, decaf, fair trade, rechargeable, wireless, portable, non-slip, breathable, reversible, food safe, "
    "scratch resistant, lead free, biodegradable, comfortable, warm, easy to clean, thick, stretchy, lockable, "
    "removable, edible, unisex, energy efficient, real leather, machine washable, toxic, shatterproof",
    "use_place": "outdoors, in the garden, in the oven, in the microwave, in the freezer, in the dishwasher, in the bath, "
    "in the rain, in winter, on a balcony, in a small {room}, on a gas hob, on wood, on metal, for camping, "
    "for hot drinks, for soup, with sensitive skin, at home, in the {room}, in the sun, on the wall, for baking, "
    "with a tumble dryer, on the floor, for school, by left handed people, for curly hair, for dry skin",
    "measure": "height, width, length, weight, depth, diameter, size, measurements, dimensions, capacity, volume, thickness",
    "spec": "made of, filled with, lined with, suitable for, good for, compatible with, meant for, designed for, like",
    "stock": "in stock, available, sold out, back in stock, on sale, out of stock, still for sale, discontinued",
}

TOPICS_TEXT: dict[str, str] = {
    "delivery": """
        where is my {goods} [now|exactly|at the moment|currently|at|]?
        [has|did] [my|our] {goods} {ship_v} [yet|already|from the {depot}|today|at all|]?
        when [will|does|is] [my|our|the] {goods} {to_ship}?
        when [will|can i expect|do you think|should] [my|our|the] {goods} [to|] {arrive}?
        my {goods} has not {arrived} [yet|so far|and it was due {past}|although you promised it {future}].
        my {goods} hasn't {arrived}[ and i ordered it {past}| yet| and it is {weekday} already].
        [i|we] ordered [a|the|some|my] {an_item} {past} and [it is still not here|nothing has {arrived}|still waiting].
        [still|i am still|we are still|been|i have been] waiting for [my|the|our] {goods} [for {duration}|since {past}|].
        the tracking [page|link|number|site|info|app] [still says|says|shows|only says|has said|is stuck on] {track_state}.
        the status [has been|is still|changed to|went from {track_state} to] {track_state} [for {duration}|since {past}|].
        tracking [hasn't|has not|did not] [updated|changed|moved] [for {duration}|since {past}].
        the {carrier} [says|claims|told me|insists] it was [delivered|left on the {place_left}|signed for] but [it is not
 there|there is nothing on the {place_left}|nobody has seen it|my {person} was home all day|i never got it].
        [it|my {goods}] [is|has been|seems] [late|delayed|overdue|lost|missing|held up|stuck] [at the {depot}|for {duration}|
in {town}|in customs|somewhere|again|].
        [any|is there any] [news|update|updates|progress|word|information] [on|about|regarding] my {goods}?
        [what is|whats|may i know|please tell me] the [status|whereabouts|progress|location|eta] of my {goods}?
        {please} [track|trace|look up|check on|locate|find|chase] my {goods}?
        can you [give|send] me [a|the] [tracking number|delivery date|delivery time|estimated arrival|tracking link|date]?
        how [long|many days|much longer] [will|does|until] [it|delivery|shipping|the {goods}] [take|{arrive}]?
        [will|is] [it|my {goods}] [going to|be able to|] {arrive} {future}?
        i need [it|the {goods}|them] {future} [because|as|since] it is [a|my {person}'s] {occasion}.
        i paid for [express|next-day|fast|priority|first class] [delivery|shipping|postage] and it's still {track_state}.
        the {carrier} [left a card|left a note|came while i was out|never rang|did not show up|drove past] {past}.
        it was [supposed|meant|due|scheduled|promised] to {arrive} {past}.
        [i got|i received|we received] [no|only one|no dispatch|no shipping] [email|confirmation|message|notice|mail].
        only [half|part|some|one box] of my order has {arrived}, where [is|are] the [rest|other half|remaining things]?
        did my order [go through|get lost|get forgotten|leave the {depot}|ever leave]?
        [is|has] the {carrier} [running late|coming|on the way|lost it|bringing it] [today|tomorrow|{future}|]?
        [what time|at what time|between what hours|around when] will the {carrier} [come|be here|ring|deliver] {future}?
        the parcel was [last seen|last scanned|last tracked|scanned] [at|in] the {depot} {past}.
        the website [said|promised|told me] delivery in {num} {unit_time} and {duration} have [passed|gone by].
        which {carrier} [is delivering|has|is bringing|do you use for] my {goods}?
        the map shows my {goods} in {town}, [that is the wrong way|is that right|is it lost|what is it doing there]?
        is there a [delay|backlog|problem|strike|hold-up] with [deliveries|the post|shipping|the {carrier}]?
        my [pre-order|backorder|preordered {item}] [was due|should have shipped|was promised] {past}, has it {ship_v}?
        i [can't|cannot] [track|find|follow|see] my {goods} [online|anywhere|on the map|any more].
        the estimated [delivery|arrival] [date|time] [keeps changing|has passed|moved to {weekday}|was {past}].
        somebody [stole|took|grabbed] it from the {place_left}, or the {carrier} [lost|misplaced|forgot] it.
        [nothing|no parcel|no sign of it] [here|today|yet|so far], and i [stayed|waited|sat] at home [all day|since {clock}].
        waiting on {an_item}, [ordered|bought|paid] {past}, [no sign of it|where is it|when does it come].
        [is|was] my {goods} [on its way|shipped|en route|still coming|moving|close|in the post|out yet]?
        the {carrier} should deliver [between {clock} and {clock}|by {clock}|before {clock}] but has not [come|rung].
        do you [deliver|ship] on [sundays|weekends|bank holidays], i am expecting a {goods}.
        i hope the {goods} gets here [before|in time for] the {occasion}.
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
        [the|this] {an_item} is {dislike}[,| and| so] i want to {send_back} it [for a refund|and get my money back|].
        i {sent_back} the {item} {past} and [have not got|still have not seen|have had no|am still waiting for] my {refund_n}.
        [it's been|it has been] {duration} since i {sent_back} [it|the {item}] and no [refund|money|credit] [yet|so far].
        my refund [is still|has been|shows as] [pending|late|missing|not processed|incomplete|delayed|outstanding].
        [you|your shop|your colleague] [promised|told|assured] me [a|the] {refund_n} [within {num} {unit_time}|{past}|].
        you [only|just] refunded [half|part|{percent}|{price}|one of them|the {item}], [i am owed|where is] the rest.
        what is your [return|returns|refund] policy [on {item}|for sale items|for gifts|]?
        do you [accept|take] returns [without a receipt|of opened items|of sale items|after {duration}|on {item}]?
        how [long|many days] do i have to {send_back} [something|an item|a {item}|it]?
        {please} send me a [return label|returns form|return slip|prepaid label|return address|returns number].
        i [changed my mind|don't like it|don't need it any more|am not happy with it], can i {send_back} it?
        the {item} is {unused}, {howto} {send_back} it?
        who [pays|covers|pays for] the return [postage|shipping|costs]?
        [can|could|may] i [exchange|swap] it or [get|have] {refund_n} [instead|rather than a replacement|]?
        i would [rather|prefer to] have [my money|a refund|cash] than [a voucher|store credit|a replacement|an exchange].
        i was given [a|the|this] {item} as a {gift} and want to {send_back} it [without|but have lost] the receipt.
        the [return|returned {item}|parcel i sent back] [was received|reached you|arrived at your {depot}] {past}.
        my bank [says|tells me] no [refund|money|credit|repayment] has [come|arrived|been sent|been credited].
        [did you|have you] [receive|received|got|accepted|approved|processed|checked] my return?
        the {item} did not fit [me|my {person}|], [refund please|i am returning it|can i return it].
        [the colour|the quality|the size|the fabric|the smell|the taste] is [awful|not right|{dislike}], i am returning it.
        i saw it [{percent} cheaper|for {price} less] {past}, [will you|can you] refund the difference?
        can the [refund|money] [go|be paid] [to|onto] [another|a different|my new] {card}?
        {please} [collect|pick up] the {furniture} and refund [me|the price|us].
        i [refused|rejected|did not accept|turned away] the parcel, so i [am owed|should get|expect] my {refund_n}.
        under your [guarantee|money back guarantee|promise|terms] i am [entitled to|owed|due] a {refund_n}.
        {want} keep one {item} and {send_back} the other [for a refund|].
        i bought [two|the wrong one|it twice|one too many] and {want} {send_back} one.
        i have the [receipt|return form|proof of postage|return number] [here|if you need it|] for the refund.
        do i get [the postage|the delivery fee|everything|the full price|every penny] back when i {send_back} it?
        [i paid {price} and|i] want every [penny|cent] [back|of it back|returned|refunded].
        [regret buying|not happy with|hate|dont like|no use for] the {item}, want [to return|a refund|my money back].
        i [posted|dropped off|handed in] the return at the [post office|shop|parcel shop|store] {past}.
        is there a [restocking fee|charge|deadline|time limit] for returns?
        [it was|the {item} was] [bought|purchased] by [accident|mistake] by my {person}, is a {refund_n} possible?
    """,
    "damage": """
        [my|the|our] {an_item} [arrived|came|was delivered|turned up|was|is] {broken}.
        [my|the|our] {an_item} [arrived|came|was] {broken} and {broken}.
        the {part} [of|on] [my|the] {item} [is|was|arrived|came] {broken}.
        the {part} {broke} [after {duration}|the first time i used it|straight away|when i [touched|opened|lifted] it|].
        there is a [big|huge|small|nasty|deep|long|tiny|] {flaw} [in|on|near|under|along] the {part}.
        it has a {flaw} [across|in|on|all over|down] the [{part}|front|back|middle] [and a {flaw}|].
        the {item} [does not|doesn't|won't|will not|wont|doesnt|refuses to] {dead_verb} [at all|any more|properly|].
        it stopped [working|charging|spinning|ticking|playing|heating] after [{duration}|one use|{num} minutes].
        [when i|as soon as i|i] [opened|unpacked|unwrapped] the [box|parcel|carton|package] [and|] the {item} was {broken}.
        [one|two|three|half|all|{num}|some|most] of the {item} [were|was|are] {broken} [when they arrived|on arrival|].
        the [box|packaging|parcel|carton] was {broken} and the {item} inside [too|is {broken}|did not survive|is ruined].
        it [makes|is making] a [strange|loud|awful|funny] {noise} [noise|sound|smell].
        [there is|i noticed|we found] a smell of [burning|smoke|mould|damp|petrol|glue] [coming from|on] the {item}.
        [a|one|the] {part} is missing [from the box|from the kit|so i can't build it|and the {part} is {broken}|].
        the {item} [leaked|spilled|dripped|melted|rotted|burst] [everywhere|all over the box|over everything|on the {item}].
        [can i|could i|may i] [get|have] a [replacement|new one|new {part}|spare {part}] [for it|for the {item}|please]?
        {please} [replace|repair|exchange|swap] the [broken|faulty|damaged|cracked|defective] {item}.
        {please} send [me|us] [another|a new] {item} [without a {flaw}|that works|in one piece|].
        i have [attached|added|taken|enclosed] [a photo|photos|pictures|a picture|a video] of the [{flaw}|damage|{part}].
        it was [badly|poorly|not properly|carelessly] [packed|wrapped|packaged], [no bubble wrap|no padding] [at all|].
        the {carrier} [dropped|threw|crushed|tossed|kicked|stood on] the [box|parcel] and [broke|smashed|bent] the {item}.
        the {item} is [faulty|defective|broken|useless|a wreck|in {num} pieces|in a terrible state|in bad condition].
        the {material} [has|is] [cracked|split|rusted|bent|peeling off|coming off|stained|chipped|{broken}].
        the {colour} [paint|colour|dye|varnish] is [coming off|rubbing off|peeling|flaking|scratched|smeared].
        the [seam|stitching|lining|zip|hem|sleeve|fabric|cloth] [has come|is coming|came] [undone|apart|loose|off].
        [brand new|only {duration} old|used it once|had it {duration}] and the {part} {broke}.
        my {person} [cut|hurt|burned|scratched] [a finger|a hand|himself|herself] on the [broken|cracked] {item}.
        [unfortunately|sadly|i am sorry to say] the {item} [got|was] [damaged|broken|smashed] [in transit|in the post|on the way].
        [was it|is it|looks] [used before|second hand|already opened|worn]? there [are|is a] [stains|{flaw}|scratches] on it.
        the {part} is {broken}, [so it won't {dead_verb}|and sharp|so it is useless|like it was made badly].
        [everything|the rest] is fine [except|apart from] the {part}, which is {broken}.
        it [arrived|came] in [pieces|bits|a thousand pieces|a puddle|a wet box|crumbs|shards|dust].
        the plant [arrived|is|was] [dead|half dead|dry|rotten|crushed] and the [pot|soil|leaves] [broken|everywhere|brown].
        [sparks|smoke|water|oil|steam] [came|comes|runs] out of the {item} [when i switch it on|when i fill it|].
        the {item} is [uneven|wobbly|crooked|too loose|not level], one {part} is [shorter|bent|thinner] than the other.
        is this a [manufacturing|production|known] [fault|defect|error]? the {part} [is {broken}|{broke}].
        the {food} [has gone off|was open|is mouldy|smells bad|was not sealed|had leaked|is out of date].
        moths, [holes|dust|dirt|insects|hairs] in [my|the|a] new {clothing}!
        the {part} [will not|won't|doesn't] {dead_verb} because the {part} is {broken}.
        the [wrong|bent|broken] {part} was in the box and [a|one] {part} was [missing|{broken}].
        what a [mess|shame|pity], [glass|crumbs|oil|shards|pieces|soil] everywhere.
    """,
    "address": """
        {want} {change_v} [my|the|our] {addr} [on order {order_no}|for my order|for all orders|before it ships|].
        {please} {change_v} [my|the|our] {addr} [to {street}|on my order|in your system|on file|]?
        {howto} {change_v} [my|the|our] {addr} [on the website|in my profile|for order {order_no}|]?
        [i|we] [moved|have moved|just moved|am moving|are moving|relocated] [to {town}|to {street}|house|flat|home|] [{past}|].
        my new address is {street} [in {town}|, {town}|, please use that|].
        new {addr}: {street}, {town}.
        i [put|gave|typed|entered|wrote|used|chose|picked] the wrong {addr_part} [by mistake|on my order|at checkout|].
        the {addr_part} [is|was] [wrong|missing|misspelled|incorrect|out of date|old|incomplete|cut off], it should [be|say]
 [{digit}|{street}|{street_name}|{town}].
        {please} {redirect_v} [my|the|this] {goods} to {dest} [instead|please|rather than to my home|]?
        {want} have [my {goods}|it|them] [delivered|sent|shipped|brought|forwarded] to {dest} [instead|].
        {howto} {redirect_v} [my|the] {goods} to {dest}?
        {please} [deliver|send|ship] it to {dest}, not [to|] {dest}.
        i [forgot|left out|did not put|missed] the {addr_part} [in|on|from] my {addr}, it is {digit}.
        [i will be|we will be|i am|we are] [away|on holiday|out|at work|abroad|travelling] [{future}|all week|until {weekday}],
 {please} {redirect_v} it to {dest}.
        the order is going to my old [address|place|flat|house|office], [can you|please] {change_v} [that|it].
        it still has my [old|previous|former|last|parents'] {addr} [on it|saved|on the label|in the system|on my account].
        the site [used|picked|filled in|saved|kept|chose] [my old|the wrong|an outdated|last year's] {addr}.
        {please} [remove|delete|erase] [my old|the old|that] {addr} [from my account|from my profile|so it is not used].
        nobody is [home|in|there] [during the day|{future}|at that address], can the {carrier} [take|bring] it to {dest}?
        {please} add [the|a|my] {addr_part} [to|on] [the|my] [{addr}|label|order].
        the recipient [is|should be] my {person}, at {street} in {town}.
        [it is|its] a {gift}, so it [must|should|needs to] go to my {person} at {street}, not to me.
        change of address [for order {order_no}|please|from {street} to {street}|].
        should be {street}, not {street}.
        the label says {town} but [i live|we live|it should be] in {town}.
        i [live|work|stay|am staying] [at|in] {dest} now, [can|could] the {goods} go there?
        {howto} [add|save|set|choose] a [new|second|different|default] {addr}?
        can it [still|] [go|be sent|be delivered|be redirected|be rerouted] to {dest} [before it leaves|if not too late|]?
        leave it [with|at] {dest} [please|when i am out|if nobody answers|instead].
        the [form|website|checkout|page] would not [accept|take|save|let me enter] my {addr_part}.
        my [company|office|business] moved, the [invoice|billing|delivery] address is now {street}.
        is it too late to {change_v} where [it|my order|my {goods}] is [going|delivered|being sent]?
        same [street|town|building], different {addr_part}: {digit} not {digit}.
        there are two [houses|flats|doors|streets] with that [name|number], mine is [{digit}|the one in {town}|at the back].
        [oops|sorry|my mistake], wrong [address|street|town|postcode|place|house], i meant {street}.
        use the [side|back|front|main|other] [entrance|door|gate], [gate code {digit}|number {digit}|next to {street}].
        ship [it|to|everything|this one] to {dest}.
        {please} make sure it [goes|gets sent|is delivered] to {dest}.
        i no longer live [there|at {street}|in {town}|at that address].
        all [future|my|our] [orders|parcels|deliveries] should [go|be sent] to {dest} from now on.
        [switch|change|swap] the [destination|drop-off|delivery place|pick-up point] to {dest}.
        my [street|surname|name and street|town|postcode] has changed since [the wedding|we moved|i moved|last year].
    """,
    "cancel": """
        {please} {cancel_v} [my|the|this|our|that] {cancel_n}?
        {want} {cancel_v} [my|the|this|our|that] {cancel_n} [please|as soon as possible|before it ships|].
        {howto} {cancel_v} [my|an|the|this|that] {cancel_n} [before it ships|online|again|]?
        {cancel_v} [my|the|that] {cancel_n} [please|pls|asap|at once|immediately|right away|if you still can|].
        {cancel_v} it [please|before it ships|before you pack it|if it has not left|now|right now|].
        i [do not|don't|no longer|dont] [want|need|require] [it|the {item}|this order|them] [any more|anymore|after all|now].
        please [do not|don't|dont] [send|ship|post|dispatch|pack|deliver] [it|my {cancel_n}|the {item}|anything].
        i ordered [it|the {item}] by [mistake|accident], [so cancel it|please {cancel_v} it|can you {cancel_v} it].
        i [ordered|picked|chose|clicked|bought|selected] the wrong [{item}|size|colour|one|model|amount] [by mistake|],
 {please} {cancel_v} [it|my {cancel_n}].
        i [ordered|clicked|paid|bought it|pressed the button] twice, {please} {cancel_v} [one|the second one|the duplicate].
        i [found|have found|saw|got] [it|the same {item}|one] [cheaper|elsewhere|in a shop|for {price}], so {cancel_v} mine.
        my {person} [already|has already|also] [bought|ordered|has] [one|it|the same {item}], so we don't need [it|ours].
        [is it|am i] too late to {cancel_v} [it|my {cancel_n}]? i only ordered {past}.
        [there is no|i can't find the|the] cancel button [anywhere|is grey|does not work|on the order page|].
        i tried to cancel [online|on the website|in the app|by phone|{past}] [but it failed|and could not|but it won't let me].
        {want} {cancel_v} [my|the|our] {sub} [from {month}|at once|before it renews|from next month|].
        {howto} {cancel_v} [my|the|this] {sub}?
        {please} {cancel_v} [my|the|our] {sub}.
        {please} [remove|drop|take|delete] the {item} from my order and [keep|send|leave] the [rest|others|other things].
        the {occasion} is [off|cancelled|postponed|not happening], so we [won't|do not] need the {item}.
        [it takes|delivery takes|you take|the wait is] too long, so [i am cancelling|cancel it|please {cancel_v} my {cancel_n}].
        since it [won't|will not|cannot] come {future}, {cancel_v} it.
        i changed my mind [about the {item}|about my order|], [please stop it|{cancel_v} it|i don't want it].
        did [my|the] cancellation [work|go through|reach you|succeed]? [the order is still there|it says confirmed|].
        i asked you to {cancel_v} [it|my {cancel_n}] {past} and [it is still active|it was packed anyway|nothing happened].
        is there a [fee|charge|deadline|cost|penalty] for [cancelling|a late cancellation]?
        [up to|until] when can i {cancel_v} [an order|my {cancel_n}|the {sub}]?
        hold [it|my order|the {item}], don't [ship|send|pack] it, i want to cancel.
        {cancel_v} [all of it|everything|the lot|the whole thing|both orders|all {num} of them].
        i [can't|cannot] afford [it|the {item}] [right now|this month|any more|after all], please {cancel_v} my {cancel_n}.
        i meant [one|two|{num}] {item}, not {num}, so {cancel_v} the [rest|others|whole order].
        my {person} ordered [it|the {item}] [without asking|on my phone|by accident|in secret], cancel it please.
        [stop|halt|freeze] the [order|shipment|engraving|production|dispatch] [please|before it is too late|at once].
        {cancel_v} and [reorder|i will order again|start over] [with the right size|in {colour}|later|another day].
        no need for [it|the {item}|this order] any more, {please} {cancel_v} it.
        i [forgot|was too quick|was half asleep|misread the page|clicked too fast] when i ordered, please {cancel_v} it.
        {want} [use|exercise] my right [to cancel|of withdrawal|to withdraw] [from the contract|for order {order_no}|].
        [if|as long as] it has not [shipped|been packed|gone out|left], {cancel_v} [it|the {cancel_n}].
        we [bought|are buying|went for|chose|found] [another|a different] {item} [instead|somewhere else], so cancel ours.
        [actually|on second thoughts|sorry|never mind], [forget|leave|skip] the {item}, i [won't|will not] be [buying|needing] it.
        i [no longer wish|would rather not|do not want] to [go ahead|continue|proceed|go through] with [it|the order|the purchase].
        [please confirm|confirm|let me know] that [my order|it|the {sub}] [is|has been] cancelled.
        order {order_no} [was|is] a [duplicate|mistake|double|error], [please|pls] {cancel_v} it.
    """,
    "payment": """
        my {card} [was|is|keeps being|gets|has been|keeps getting|got] {declined} [at the {checkout}|every time|again|].
        [i was|i got|we were|you have|i have been] {charged} [twice|double|two times|{num} times|too much|{price} too much].
        you [took|charged|debited|withdrew] [{price}|the money|too much|the wrong amount|the payment] [twice|from my {card}|].
        my {code} [does not work|is not working|doesn't work|won't apply|is refused|says invalid|was not applied|is gone].
        {howto} [use|redeem|apply|enter|add] [my|a|the] {code} [at the {checkout}|with a gift card|on sale items|]?
        the {code} [says|shows|is] [invalid|expired|already used|not valid|unknown] [at the {checkout}|but it is new|].
        the {checkout} [freezes|crashes|hangs|shows an error|goes blank|is stuck|does nothing|keeps loading] when i [try to|] pay.
        {want} pay [with|by|in] {pay_way} [but it is not shown|but can't|please|].
        {howto} pay [with|by|in] {pay_way}?
        do you [take|accept|allow|offer|support] {pay_way} [as payment|]?
        my payment [failed|did not go through|was {declined}|is pending|is stuck|timed out|has an error|was not accepted].
        the money [has left|was taken from|is gone from|was debited from] my [account|bank|{card}] but [the order failed|there is
 no order|your site says unpaid|the payment failed|i got no receipt].
        why [was i|am i|have i been] {charged} [{price}|a {fee}|extra|more|for a {fee}|twice|{fee}|before it ships]?
        the {bill} [is wrong|shows the wrong amount|shows {price} instead of {price}|has an error|does not add up|is missing].
        {please} send [me|us] [an|the|a|my] [invoice|receipt|bill|vat invoice|copy of the invoice|new payment link].
        i need [an invoice|a vat invoice|a receipt|the bill] for [my accountant|my company|tax|the order|{month}|the office].
        there is [a|an|one] [unknown|strange|extra|second|unexpected] [charge|payment|debit|transaction|{fee}] on my {bill}.
        the price [changed|went up|doubled|jumped|was different] [at the {checkout}|when i paid|after i paid|in the basket].
        the discount [was not|wasn't|has not been] [applied|taken off|deducted|counted], i paid [full price|{price}].
        my bank [blocked|refused|rejected|stopped|flagged] the [payment|transaction|transfer|charge].
        my bank says the [payment|amount|money|transaction] is [reserved|authorised|pending|completed|fine|on hold].
        i tried to pay [{num} times|with {num} cards|{past}|on my phone|all day] and [it failed|error {digit}|nothing works].
        [wrong|incorrect|different] [amount|currency|total|price|tax] on my {bill} [, please correct it|].
        [it|the {checkout}] says my [card number|billing details|expiry date|security code|billing address] [is|are] invalid.
        my {card} [has expired|was replaced|is new], {howto} [change|update] the payment method?
        there is [enough|plenty of|more than enough] money [on|in] my {card}, [so why|but] it was {declined}.
        you [sent|mailed] me a payment reminder but i [paid|settled|transferred it] {past}.
        [i have|see attached] [proof|a screenshot|confirmation] of [payment|the transfer|the transaction|the charge].
        [i paid|paid|we paid] [by {pay_way}|{past}|in full|online] [but it still says unpaid|and got no receipt|].
        [can|could] i [split|spread] the [payment|cost|bill] [over {num} months|between two cards|into instalments]?
        the {fee} [is wrong|was added|is too high|should be free|was not shown|should not be there].
        i was {charged} for [my {sub}|the free trial|a {sub}] [although|but] [i did not order it|it was free|it expired].
        {please} [correct|explain|check|fix] [the|my|this] [{bill}|charge|bill|billing error|double payment].
        you charged [dollars|pounds|euros] instead of [dollars|pounds|euros] and the [bank|exchange rate] [cost|took] extra.
        two [identical|equal|pending] [payments|charges|transactions|debits] of {price} [on my {bill}|appeared|are there].
        [payment|transaction|billing|checkout|card] [error|failed|problem|rejected|issue|trouble] [{digit}|again|].
        [is|was] my payment [received|successful|accepted|taken|approved|complete]?
        my [bank|banking app|bank's app] asks [me|] to [confirm|approve|authorise] the payment and then [fails|times out|loops].
        [the balance of|the money on|what is left on] my gift card [is wrong|won't come off|is not deducted|disappeared].
        i should not pay [{fee}|a {fee}|vat|tax|full price], [we are a charity|i am a student|it was free delivery|it said free].
        the pay button [is grey|is greyed out|does nothing|is missing|will not react].
        {price} [was|is] [missing|taken|gone|deducted|reserved] [from|on] my {card} [for nothing|twice|{past}].
    """,
    "account": """
        [i can't|i cannot|cant|can't|i am unable to|unable to|i still can't] {login_v} [any more|on my phone|since {past}|].
        {howto} {login_v} [without the app|again|on a new phone|from another computer|]?
        it [won't|does not|doesn't|wont|will not|refuses to] let me {login_v}.
        i [forgot|have forgotten|lost|can't remember|do not remember|no longer know] my {password}.
        {howto} [reset|change|recover|find|get back|set] my {password}?
        {please} [reset|resend|send me|change|recover] my {password}.
        my {password} [does not work|is not working|is not accepted|is wrong|stopped working|was changed|has expired].
        the {code_n} [never arrives|does not arrive|never came|has expired|does not work|is wrong|leads nowhere|is invalid].
        i [did not|never|didn't] [get|receive|see] [a|the|any] {code_n} [, also not in spam|in my inbox|by text|].
        {please} [send|resend] me [a|the] [new|] {code_n}.
        my {account} [is|was|has been|got|seems] {locked} [after too many attempts|for no reason|since {past}|].
        {please} [unlock|restore|reactivate|recover|open|unblock] my {account}.
        {please} [delete|close|remove|deactivate|erase|shut down] my {account} [and all my data|for good|].
        {want} [delete|close|deactivate] my {account} [and my personal data|].
        the [page|site|app|website|login page|screen] [says|shows|tells me|keeps saying] {login_state}.
        i get [the message|an error|the error] {login_state} [when i {login_v}|every time|].
        [someone|somebody|a stranger|a hacker] [has hacked|is using|got into|logged into|changed|took over] my {account}.
        i think [my {account} was hacked|someone knows my {password}|my {password} was stolen|i was hacked].
        {howto} [change|update] [the email|my email|the phone number|my username|my name] [on my {account}|i use to log in]?
        i [changed|lost|broke|sold] my [phone|number|email|laptop] and [can't {login_v}|the {code_n} goes to the old one].
        i keep [getting|being] [logged out|signed out|sent back to the login page|kicked out|thrown out] [every {num} minutes|].
        i [registered|signed up|created an account|made an account] {past} but [got no {code_n}|can't {login_v}].
        {howto} [register|sign up|create an account|make an account|open an account] [with the same email|without a phone|]?
        the [register|sign up|login|confirm|verify|sign in] button [does nothing|is broken|is grey|does not work].
        {howto} [turn on|turn off|switch off|set up|enable] [two-factor|two-step] [login|verification|authentication]?
        my [email|email address] is [already taken|not recognised|not registered|unknown|wrong in my {account}|in use].
        i have two [accounts|profiles|logins], {howto} [merge|join|combine] them?
        [which|what] [email|username|user name|phone number] [did i use|is on my {account}|do you have for me]?
        i was [logged out|signed out|locked out] [of my {account}|and can't get back in|of the app|].
        the captcha [never works|keeps coming back|does not load|will not accept me] [when i {login_v}|].
        my {account} shows [the wrong name|someone else's orders|nothing|no orders|another email|a stranger's data].
        i got [an email|a message|an alert] about a [login|sign in|new device|password change] [from {town}|that was not me].
        after the [update|new website|new app] i can't {login_v}.
        [the authenticator|the security question|face id|the fingerprint|remember me] [does not|won't] [work|accept me|match].
        [can|could] my {person} and i [share|use|have] [one|the same|two] [account|login|accounts|logins]?
        my {person} [died|passed away], please [close|delete] the {account}.
        {want} turn my guest [order|checkout] into [an|a real] {account} [with a password|].
        [new phone|new laptop|new email|new browser], [can't {login_v}|lost my {password}|no {code_n}].
        the new {password} is [rejected|not saved|too short|too weak|not allowed|wrong as well].
        {howto} log out [of|on|from] [all|my other|every] [devices|device|computers|phones]?
        i never [made|opened|had|created] an account, do you [hold|have|keep] my [data|email|details]?
        i am [stuck|trapped] at the [login|sign in|password|verification] [screen|page|step], [it keeps spinning|it loops].
        [forgotten|lost|wrong|invalid] {password}, [need a new one|please reset|can't get in|no reset mail].
        {please} [check|verify|confirm] my [email|identity|account|phone number].
    """,
    "product": """
        is [the|this|your] {an_item} {quality}?
        [are|is] [the|these|your] {item} {quality} [or not|and {quality}|]?
        is it {quality} [or {quality}|and {quality}|enough|]?
        does [the|this] {an_item} [come with|include|have|need] [a|an|the|any] [{item}|{part}|batteries|warranty|instructions]?
        what [is|are] the {measure} of the {an_item}?
        what is [it|the {item}|the {part}] {spec}?
        what is the {item} made of, {material} or {material}?
        is it [real|solid|pure|genuine|fake] {material} or [just|] {material}?
        how [big|heavy|long|tall|wide|deep|thick|bright|loud|warm|strong|high|large] is the {an_item}?
        how many [cups|litres|people|pieces|pages|letters|pens|spoons|chairs|plates] [does it hold|are in a set|fit]?
        can [i|you|it|the {item}] [use it|be used|be washed|go|be put|be left|put it] {use_place}?
        can [the|this] {item} be used {use_place}?
        will [it|the {item}|this] fit [a|my|in a|on a] [{furniture}|{room}|{digit} {size_unit} {item}|{kitchen}|{person}]?
        is [the|this] {an_item} {stock}?
        when will the {an_item} be {stock}?
        do you [have|sell|stock|make|carry|offer] [it|the {item}|this|{item}] in [{colour}|{material}|{size}|another colour]?
        do you [have|sell|stock|make] [a|any|some] {an_item} [for {use_place}|for my {person}|for a {room}|]?
        which {item} [do you recommend|is best|would you choose|is better|should i get] [for a {room}|{use_place}|]?
        what is the difference between the {size} and the {size} {item}?
        is the {colour} [more like|closer to|the same as|a dark] {colour} [in real life|than in the photo|or {colour}]?
        [i am|my {person} is] [allergic to|sensitive to] [{material}|nuts|perfume|wool|milk], [is it safe|does it contain any]?
        what are the ingredients [of|in] the {food}?
        does [the|your] {food} [contain|have] [nuts|sugar|milk|alcohol|palm oil|caffeine|gluten|perfume]?
        how [do i|should i|do you] [wash|clean|care for|assemble|hang|store|iron|dry|fold|water] the {item}?
        [does|will] the {item} [shrink|fade|scratch|rust|smell|stretch|tick|make noise|float|stick|spill] [{use_place}|]?
        is it [suitable|safe|good|ok|right] for [a baby|a {digit} year old|my {person}|a {pet}|beginners|{room}|{use_place}]?
        what [size|colour|age|model|version] [should i take|is it for|is right for me|do i need|do you suggest]?
        i am [between|usually] [a {size} and a {size}|size {digit}], which [size|one] should i [order|choose|take]?
        i am looking for [a|an|some] {an_item} [as a {gift}|for my {person}|under {price}|for the {room}], any ideas?
        how long is the [warranty|guarantee|cable|cord|strap|battery life] [of|on] the {item}?
        where is the {item} [made|produced|from|grown]?
        is it [made in|from|imported from] {town}?
        do you offer gift wrapping [for the {item}|and a card|]?
        [can|could] you [engrave|print|embroider|personalise] [a name|initials|a text|a date] on the {item}?
        does the {item} [need|require] [assembly|batteries|a screwdriver|a {part}|drilling|{size} batteries|ironing]?
        is the {part} [removable|replaceable|adjustable|{material}|{colour}|included|strong enough]?
        do you [sell|have] [spare|replacement|extra|matching] [{part}s|{item}|parts|covers|lids]?
        would [it|the {item}] [look good|work|be strong enough|go well] [{use_place}|with a {colour} {item}|for two people]?
        will there be [more|another batch|a restock|a bigger version|a {colour} version] of the {an_item}?
        the [description|listing|page|photo] [says|shows|mentions] {material}, is [that|it] [true|the {part}|all of it]?
        can i see [more photos|the inside|the back|the {part}] of the {item} [before i buy|]?
        is the {item} [compatible with|the same as|a match for] [the old model|other brands|my {item}|the {size} one]?
        [before i buy|quick question|just wondering|one question]: is the {item} {quality}?
        how does the {food} [taste|smell], is it [sweet|bitter|strong|mild|fruity|spicy|floral]?
        does it [hold|carry|take|fit] [{digit} {size_unit}|a laptop|a large {item}|two adults|hot water]?
        is the {an_item} [worth|any better than] [the money|the price|the {size} one|the cheaper one]?
    """,
    "praise": """
        the {an_item} is {nice}, [thank you so much|i love it|we are {pleased}|exactly what i wanted].
        my {person} [loves|adores|really likes|uses] the {item} [every day|so much|already|].
        i am [very|so|really] {pleased} with [my|the] {item} and the [quick|friendly|kind|helpful] service.
        [great|excellent|lovely|wonderful] shop, i will [come back|order again|tell my {person}|buy here again].
        [thanks|thank you] for the [fast|quick|careful|friendly] [delivery|help|reply|packing].
        the {item} looks {nice} in our {room}.
        your team [was|is] [so kind|very helpful|fantastic|patient], five stars.
        the {colour} {item} [smells|feels|looks|tastes] {nice}.
    """,
    "cooking": """
        [boil|heat|warm] the water in a {kitchen} and add the {food}.
        i [bake|cook|make] [bread|soup|cake|pasta|pancakes] [every {weekday}|for my {person}] in the {kitchen}.
        [stir|mix|whisk] the [flour|eggs|sugar|butter|milk|cream] in a {size} bowl with a [spoon|whisk|fork].
        put the {kitchen} in the oven for {digit} minutes until [golden|brown|soft|hot].
        we had [soup|tea|coffee|toast|salad|cake] with {food} for [breakfast|lunch|dinner].
        the {kitchen} is [hot|full|empty|clean], the [soup|tea|coffee|sauce|jam] is [ready|cold|sweet|bitter].
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
        plant the {garden_item} in [spring|autumn|{month}|a sunny spot|good soil] and water it [often|well|daily].
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

CORE_TOPICS = ("delivery", "refund", "damage", "address", "cancel", "payment", "account", "product")
HOLE = re.compile(r"\{(\w+)\}|\[([^\[\]]*)\]")
BACKGROUND_SHARE = 0.12  # of the messages: enough household talk to give nouns a second context
TYPO_SHARE = 0.02  # of the longer words
MAX_SENTENCES = (1, 1, 2, 2, 3, 4)


def _lines(text: str) -> list[str]:
    """Split a block into frames; a line that starts in column one continues the line before it."""
    joined = re.sub(r"\n(?=\S| [^ ])", "", text)
    return [line.strip() for line in joined.splitlines() if line.strip()]


def _entries(name: str, text: str) -> list[str]:
    """Split one slot's text: the filler sentences are parted by bars outside brackets, all others by commas."""
    if name != "filler":
        return [entry.strip() for entry in text.split(",")]
    return [entry.strip() for entry in re.split(r"\|(?![^\[]*\])", text)]


WORDS = {name: _entries(name, text) for name, text in WORDS_TEXT.items()}
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
        options = WORDS[match[1]] if match[1] else match[2].split("|")
        return rng.choice(options)

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


def message(rng: random.Random) -> str:
    """Write one message: a few sentences of one topic, maybe with a greeting, a complaint and a farewell.

    Args:
        rng: Source of all choices; the same state gives the same message.

    Returns:
        One line of text.
    """
    pool = BACKGROUND_TOPICS if rng.random() < BACKGROUND_SHARE else CORE_TOPICS
    frames = TOPICS[rng.choice(pool)]
    parts = [expand(rng.choice(frames), rng) for _ in range(rng.choice(MAX_SENTENCES))]
    if rng.random() < 0.2:
        parts.insert(rng.randrange(len(parts) + 1), expand("{filler}", rng))
    if rng.random() < 0.2:
        parts.insert(0, expand("{greet}[,|!|.|]", rng))
    if rng.random() < 0.15:
        parts.append(expand("{bye}[|.|!]", rng))
    return _roughen(" ".join(parts), rng)


def messages(count: int, seed: int) -> Iterator[str]:
    """Write ``count`` messages; the same seed gives the same messages on every machine.

    Args:
        count: How many messages to write.
        seed: Seed of the random choices.

    Yields:
        One message at a time.
    """
    rng = random.Random(seed)
    for _ in range(count):
        yield message(rng)
